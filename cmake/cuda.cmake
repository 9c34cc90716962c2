# CUDA: libtorch's own libraries from the wheels (make deps-cuda); .cu files of a room are compiled by nvcc.
enable_language(CUDA)
if(NOT EXISTS ${EASEL_DEPS}/torch/lib/libtorch_cuda.so)
  message(FATAL_ERROR "libtorch_cuda is not in ${EASEL_DEPS}: run `make deps-cuda`")
endif()
foreach(name torch_cuda c10_cuda)
  add_library(${name} SHARED IMPORTED)
  set_target_properties(${name} PROPERTIES IMPORTED_LOCATION ${EASEL_DEPS}/torch/lib/lib${name}.so)
endforeach()
# libtorch_cuda registers its kernels when it is loaded, so it must stay linked though nothing calls into it.
target_link_libraries(torch INTERFACE torch_cuda c10_cuda)
target_compile_definitions(torch INTERFACE EASEL_CUDA=1)
find_package(CUDAToolkit REQUIRED)
target_include_directories(torch SYSTEM INTERFACE ${CUDAToolkit_INCLUDE_DIRS})
