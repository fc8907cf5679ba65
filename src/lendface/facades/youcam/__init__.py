"""The S2S API of YouCam (Perfect Corp), for its clients: version 2.0 and what is left of 1.x."""
