"""Networks. Importing this does not import torch; the modules in it do."""
