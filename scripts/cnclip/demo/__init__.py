"""The demo bundle: a model, pictures, results and a notebook in one folder."""
