/* A stand-in for NVIDIA's libnvidia-ml.so.1, as much of it as nvidia-ml-py is asked for here.
 * NVML_INIT: the error of nvmlInit. NVML_DRIVER, NVML_CUDA: versions. NVML_PRINT: what it prints when loaded.
 * NVML_GPUS: GPUs between '|', each of key=value between ';':
 *   name, uuid, cc (75), total, free, ecc (0, 1), mig (number of instances; their places have a gap before each),
 *   lost (error of the handle), hang (seconds), crash (signal), and name_error, uuid_error, memory_error, cc_error.
 * Signatures: https://docs.nvidia.com/deploy/nvml-api/ */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, MOST = 16 };

typedef struct { char text[1024]; int instance; } Gpu;
typedef struct { unsigned long long total, free, used; } Memory;

static Gpu gpus[MOST], instances[MOST * MOST];
static unsigned int count;

static char *from(const char *name, char *otherwise) {
    char *told = getenv(name);
    return told ? told : otherwise;
}

static int has(Gpu *gpu, const char *key, char *value, size_t size) {
    char wanted[64];
    snprintf(wanted, sizeof wanted, ";%s=", key);
    char *found = strstr(gpu->text, wanted);
    if (!found) return 0;
    found += strlen(wanted);
    size_t length = strcspn(found, ";");
    if (length >= size) length = size - 1;
    memcpy(value, found, length);
    value[length] = 0;
    return 1;
}

static long long number(Gpu *gpu, const char *key, long long otherwise) {
    char value[64];
    return has(gpu, key, value, sizeof value) ? (long long)strtoull(value, NULL, 10) : otherwise;
}

__attribute__((constructor)) static void loaded(void) {
    fputs(from("NVML_PRINT", ""), stdout);
    fflush(stdout);
}

int nvmlInitWithFlags(unsigned int flags) {
    char *told = strdup(from("NVML_GPUS", "")), *rest = told, *one;
    (void)flags;
    for (count = 0; (one = strsep(&rest, "|")) && *told && count < MOST; count++)
        snprintf(gpus[count].text, sizeof gpus[count].text, ";%s;", one);
    return atoi(from("NVML_INIT", "0"));
}

int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int result) { return result == 15 ? "GPU is lost" : result == 3 ? "Not Supported" : "Unknown Error"; }

static int copy(char *to, unsigned int size, const char *what) {
    snprintf(to, size, "%s", what);
    return OK;
}

int nvmlSystemGetDriverVersion(char *version, unsigned int size) { return copy(version, size, from("NVML_DRIVER", "470.57.02")); }
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = atoi(from("NVML_CUDA", "11040")); return OK; }
int nvmlDeviceGetCount_v2(unsigned int *found) {
    *found = count;
    return atoi(from("NVML_COUNT_ERROR", "0"));
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int index, Gpu **gpu) {
    if (index >= count) return INVALID_ARGUMENT;
    *gpu = &gpus[index];
    if (number(*gpu, "crash", 0)) raise((int)number(*gpu, "crash", 0));
    if (number(*gpu, "hang", 0)) {
        signal(SIGTERM, SIG_IGN);
        sleep((unsigned int)number(*gpu, "hang", 0));
    }
    return (int)number(*gpu, "lost", OK);
}

int nvmlDeviceGetName(Gpu *gpu, char *name, unsigned int size) {
    char value[96] = "Tesla T4";
    has(gpu, "name", value, sizeof value);
    if (gpu->instance) strncat(value, " MIG 1g.5gb", sizeof value - strlen(value) - 1);
    copy(name, size, value);
    return (int)number(gpu, "name_error", OK);
}

int nvmlDeviceGetUUID(Gpu *gpu, char *uuid, unsigned int size) {
    char value[64] = "GPU-0", full[96];
    has(gpu, "uuid", value, sizeof value);
    snprintf(full, sizeof full, gpu->instance ? "MIG-%s/%d/0" : "%s", value, gpu->instance);
    copy(uuid, size, full);
    return (int)number(gpu, "uuid_error", OK);
}

int nvmlDeviceGetMemoryInfo(Gpu *gpu, Memory *memory) {
    memory->total = (unsigned long long)number(gpu, "total", 15843721216) / (gpu->instance ? 8 : 1);
    memory->free = (unsigned long long)number(gpu, "free", (long long)memory->total);
    memory->used = memory->total - memory->free;
    return (int)number(gpu, "memory_error", OK);
}

int nvmlDeviceGetCudaComputeCapability(Gpu *gpu, int *major, int *minor) {
    long long both = number(gpu, "cc", 75);
    *major = (int)(both / 10);
    *minor = (int)(both % 10);
    return (int)number(gpu, "cc_error", OK);
}

int nvmlDeviceGetEccMode(Gpu *gpu, unsigned int *current, unsigned int *pending) {
    *current = *pending = (unsigned int)number(gpu, "ecc", 0);
    return number(gpu, "ecc", -1) < 0 ? NOT_SUPPORTED : OK;
}

int nvmlDeviceGetMigMode(Gpu *gpu, unsigned int *current, unsigned int *pending) {
    *current = *pending = number(gpu, "mig", -1) >= 0;
    return *current ? OK : NOT_SUPPORTED;
}

int nvmlDeviceGetMaxMigDeviceCount(Gpu *gpu, unsigned int *most) {
    *most = (unsigned int)number(gpu, "mig", 0) * 2;
    return OK;
}

int nvmlDeviceGetMigDeviceHandleByIndex(Gpu *gpu, unsigned int index, Gpu **instance) {
    if (index % 2 == 0) return NOT_FOUND;
    *instance = &instances[(gpu - gpus) * MOST + index];
    **instance = *gpu;
    (*instance)->instance = (int)index;
    return OK;
}
