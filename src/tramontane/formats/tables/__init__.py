"""Tables of parameters and QoIs, as spreadsheets and programs write them."""
