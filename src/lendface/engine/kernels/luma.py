"""How much of each colour is in what kernels take for brightness."""

import numpy as np

RED, GREEN, BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)
