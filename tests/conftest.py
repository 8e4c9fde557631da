"""One torch thread for all tests: two pytest workers share two cores, and more threads only compete."""

import torch

torch.set_num_threads(1)
