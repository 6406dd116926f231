"""The page on the same application as the API: what an engineer sees of models, designs, data and training.

It calls what the routes call; nothing is answered here in a second way. Everything that a browser loads comes from the
package.
"""
