"""One step of the method as a graphics card likes it: few kernels, fixed order, one CUDA graph."""
