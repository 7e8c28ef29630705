"""What `kernelci demo` tells: the data (README.md says where it is from) and the script of the model."""
