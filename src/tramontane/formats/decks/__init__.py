"""Input decks of Abaqus and CalculiX: meshes, named sets, loads."""
