/* NVIDIA's driver with one card that can be listed and nothing else, as libcuda.so.1 and as libnvidia-ml.so.1: enough
   for TensorFlow to look for its CUDA libraries, which it does only where there is a card. */
#include <stddef.h>
#include <string.h>

int cuInit(unsigned flags) { return 0; }
int cuDriverGetVersion(int *version) { *version = 12090; return 0; }
int cuDeviceGetCount(int *count) { *count = 1; return 0; }
int cuDeviceGet(int *device, int index) { *device = 0; return 0; }
int cuDeviceGetName(char *name, int size, int device) { strncpy(name, "no card", size); return 0; }
int cuDeviceGetPCIBusId(char *id, int size, int device) { strncpy(id, "0000:00:00.0", size); return 0; }
int cuDeviceTotalMem_v2(size_t *bytes, int device) { *bytes = (size_t)16 << 30; return 0; }
int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 9 : attribute == 76 ? 0 : 64; /* compute capability 9.0; 64 of anything else */
  return 0;
}
int nvmlInit_v2(void) { return 0; }
