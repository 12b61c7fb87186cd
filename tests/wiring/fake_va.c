// A VA driver without a device, so that our code runs through FFmpeg and libva as it would with one. Surfaces are NV12
// in the host's memory. Scaling is real, by nearest neighbour. Decoders leave their surfaces as they are, and encoders
// write NAL units without content: what is tested is who calls what in which order, and what comes of errors.
//
// REELMILL_FAKE_VA=STEP:N fails the N-th call of a step and those after it: `surfaces`, `decoder`, `encoder` (opening),
// `decode`, `scale`, `encode` (a picture). STEP:N:hang waits for ever instead, STEP:N:once fails no later call.

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <va/va_backend.h>
#include <va/va_backend_vpp.h>
#include <va/va_vpp.h>

#define OBJECTS (1 << 18)

struct object {
    int width, height;
    unsigned char *data;
    int owned;
    size_t size;
    unsigned count;
    VABufferType type;
    VAProfile profile;
    VAEntrypoint entrypoint;
    VASurfaceID target, source;
    // Where an encoder writes; where an image's pixels are.
    VABufferID coded;
    int idr;
    VACodedBufferSegment segment;
};

static struct object *objects[OBJECTS];
static unsigned next_id = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct object *make(unsigned *id) {
    struct object *made = calloc(1, sizeof *made);
    pthread_mutex_lock(&lock);
    *id = next_id++;
    if (*id >= OBJECTS) abort();
    objects[*id] = made;
    pthread_mutex_unlock(&lock);
    return made;
}

static struct object *get(unsigned id) { return id < OBJECTS ? objects[id] : NULL; }

static VAStatus destroy(VADriverContextP ctx, unsigned id) {
    struct object *gone = get(id);
    if (!gone) return VA_STATUS_ERROR_INVALID_BUFFER;
    objects[id] = NULL;
    if (gone->owned) free(gone->data);
    free(gone);
    return VA_STATUS_SUCCESS;
}

static int step_fails(const char *step) {
    static struct { char name[16]; int calls; } seen[8];
    const char *wanted = getenv("REELMILL_FAKE_VA");
    size_t length = strlen(step);
    if (!wanted || strncmp(wanted, step, length) || wanted[length] != ':') return 0;
    int at = atoi(wanted + length + 1), calls = 0;
    pthread_mutex_lock(&lock);
    for (int i = 0; i < 8; i++) {
        if (seen[i].name[0] && strcmp(seen[i].name, step)) continue;
        strcpy(seen[i].name, step);
        calls = ++seen[i].calls;
        break;
    }
    pthread_mutex_unlock(&lock);
    if (calls < at || (strstr(wanted, ":once") && calls > at)) return 0;
    while (strstr(wanted, ":hang")) sleep(1000);
    return 1;
}

static VAStatus terminate(VADriverContextP ctx) { return VA_STATUS_SUCCESS; }

static VAStatus profiles(VADriverContextP ctx, VAProfile *list, int *count) {
    list[0] = VAProfileH264Main, list[1] = VAProfileH264High, list[2] = VAProfileH264ConstrainedBaseline;
    list[3] = VAProfileNone;
    *count = 4;
    return VA_STATUS_SUCCESS;
}

static VAStatus entrypoints(VADriverContextP ctx, VAProfile profile, VAEntrypoint *list, int *count) {
    *count = profile == VAProfileNone ? 1 : 2;
    list[0] = profile == VAProfileNone ? VAEntrypointVideoProc : VAEntrypointVLD;
    list[1] = VAEntrypointEncSlice;
    return VA_STATUS_SUCCESS;
}

static VAStatus attributes(VADriverContextP ctx, VAProfile profile, VAEntrypoint entrypoint, VAConfigAttrib *list, int count) {
    for (int i = 0; i < count; i++) {
        switch (list[i].type) {
        case VAConfigAttribRTFormat: list[i].value = VA_RT_FORMAT_YUV420; break;
        case VAConfigAttribRateControl: list[i].value = VA_RC_CQP | VA_RC_CBR | VA_RC_VBR; break;
        case VAConfigAttribEncMaxRefFrames: list[i].value = 1; break;
        case VAConfigAttribEncPackedHeaders:
            list[i].value = VA_ENC_PACKED_HEADER_SEQUENCE | VA_ENC_PACKED_HEADER_SLICE | VA_ENC_PACKED_HEADER_MISC;
            break;
        default: list[i].value = VA_ATTRIB_NOT_SUPPORTED;
        }
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus create_config(VADriverContextP ctx, VAProfile profile, VAEntrypoint entrypoint, VAConfigAttrib *list, int count, VAConfigID *id) {
    if (entrypoint == VAEntrypointVLD && step_fails("decoder")) return VA_STATUS_ERROR_UNSUPPORTED_PROFILE;
    if (entrypoint == VAEntrypointEncSlice && step_fails("encoder")) return VA_STATUS_ERROR_ALLOCATION_FAILED;
    struct object *config = make(id);
    config->profile = profile, config->entrypoint = entrypoint;
    return VA_STATUS_SUCCESS;
}

static VAStatus query_config(VADriverContextP ctx, VAConfigID id, VAProfile *profile, VAEntrypoint *entrypoint, VAConfigAttrib *list, int *count) {
    *profile = get(id)->profile, *entrypoint = get(id)->entrypoint, *count = 0;
    return VA_STATUS_SUCCESS;
}

static VAStatus surface_attributes(VADriverContextP ctx, VAConfigID config, VASurfaceAttrib *list, unsigned *count) {
    const struct { VASurfaceAttribType type; int value; } known[] = {
        {VASurfaceAttribPixelFormat, VA_FOURCC_NV12}, {VASurfaceAttribMinWidth, 32}, {VASurfaceAttribMinHeight, 32},
        {VASurfaceAttribMaxWidth, 4096}, {VASurfaceAttribMaxHeight, 4096},
    };
    for (unsigned i = 0; list && i < 5; i++) {
        list[i].type = known[i].type;
        list[i].flags = VA_SURFACE_ATTRIB_GETTABLE | VA_SURFACE_ATTRIB_SETTABLE;
        list[i].value.type = VAGenericValueTypeInteger;
        list[i].value.value.i = known[i].value;
    }
    *count = 5;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_surfaces2(VADriverContextP ctx, unsigned format, unsigned width, unsigned height, VASurfaceID *ids, unsigned count, VASurfaceAttrib *list, unsigned listed) {
    if (step_fails("surfaces")) return VA_STATUS_ERROR_ALLOCATION_FAILED;
    for (unsigned i = 0; i < count; i++) {
        struct object *surface = make(&ids[i]);
        surface->width = (width + 1) & ~1, surface->height = (height + 1) & ~1;
        surface->size = surface->width * surface->height * 3 / 2;
        surface->data = malloc(surface->size), surface->owned = 1;
        memset(surface->data, 128, surface->size);
    }
    return VA_STATUS_SUCCESS;
}

static VAStatus create_surfaces(VADriverContextP ctx, int width, int height, int format, int count, VASurfaceID *ids) {
    return create_surfaces2(ctx, format, width, height, ids, count, NULL, 0);
}

static VAStatus destroy_surfaces(VADriverContextP ctx, VASurfaceID *ids, int count) {
    for (int i = 0; i < count; i++) destroy(ctx, ids[i]);
    return VA_STATUS_SUCCESS;
}

static VAStatus create_context(VADriverContextP ctx, VAConfigID config, int width, int height, int flag, VASurfaceID *targets, int count, VAContextID *id) {
    struct object *context = make(id);
    context->entrypoint = get(config)->entrypoint;
    return VA_STATUS_SUCCESS;
}

static VAStatus create_buffer(VADriverContextP ctx, VAContextID context, VABufferType type, unsigned size, unsigned count, void *data, VABufferID *id) {
    struct object *buffer = make(id);
    buffer->type = type, buffer->size = (size_t)size * count, buffer->count = count;
    buffer->data = calloc(1, buffer->size + 64), buffer->owned = 1;
    if (data) memcpy(buffer->data, data, buffer->size);
    return VA_STATUS_SUCCESS;
}

static VAStatus set_elements(VADriverContextP ctx, VABufferID id, unsigned count) { return VA_STATUS_SUCCESS; }

static VAStatus map_buffer(VADriverContextP ctx, VABufferID id, void **data) {
    struct object *buffer = get(id);
    if (!buffer) return VA_STATUS_ERROR_INVALID_BUFFER;
    *data = buffer->type == VAEncCodedBufferType ? (void *)&buffer->segment : buffer->data;
    return VA_STATUS_SUCCESS;
}

static VAStatus unmap_buffer(VADriverContextP ctx, VABufferID id) { return VA_STATUS_SUCCESS; }

static VAStatus begin_picture(VADriverContextP ctx, VAContextID id, VASurfaceID target) {
    get(id)->target = target;
    return VA_STATUS_SUCCESS;
}

static VAStatus render_picture(VADriverContextP ctx, VAContextID id, VABufferID *buffers, int count) {
    struct object *context = get(id);
    for (int i = 0; i < count; i++) {
        struct object *buffer = get(buffers[i]);
        if (buffer->type == VAProcPipelineParameterBufferType)
            context->source = ((VAProcPipelineParameterBuffer *)buffer->data)->surface;
        if (buffer->type == VAEncPictureParameterBufferType) {
            VAEncPictureParameterBufferH264 *picture = (void *)buffer->data;
            context->coded = picture->coded_buf, context->idr = picture->pic_fields.bits.idr_pic_flag;
        }
    }
    return VA_STATUS_SUCCESS;
}

static void scale(const struct object *from, struct object *to) {
    for (int y = 0; y < to->height; y++)
        for (int x = 0; x < to->width; x++)
            to->data[y * to->width + x] = from->data[y * from->height / to->height * from->width + x * from->width / to->width];
    const unsigned char *source = from->data + from->width * from->height;
    unsigned char *target = to->data + to->width * to->height;
    for (int y = 0; y < to->height / 2; y++)
        for (int x = 0; x < to->width; x++)
            target[y * to->width + x] = source[y * from->height / to->height * from->width + (x / 2 * from->width / to->width * 2) + x % 2];
}

static void encode(struct object *context) {
    static const unsigned char idr[] = {0, 0, 0, 1, 0x65, 0x88, 0x84, 0x21}, other[] = {0, 0, 0, 1, 0x41, 0x9a, 0x24, 0x6c};
    struct object *coded = get(context->coded);
    memcpy(coded->data, context->idr ? idr : other, sizeof idr);
    coded->segment = (VACodedBufferSegment){.size = sizeof idr, .buf = coded->data};
}

static VAStatus end_picture(VADriverContextP ctx, VAContextID id) {
    struct object *context = get(id);
    switch (context->entrypoint) {
    case VAEntrypointVLD: return step_fails("decode") ? VA_STATUS_ERROR_DECODING_ERROR : VA_STATUS_SUCCESS;
    case VAEntrypointVideoProc:
        if (step_fails("scale")) return VA_STATUS_ERROR_OPERATION_FAILED;
        scale(get(context->source), get(context->target));
        return VA_STATUS_SUCCESS;
    default:
        if (step_fails("encode")) return VA_STATUS_ERROR_OPERATION_FAILED;
        encode(context);
        return VA_STATUS_SUCCESS;
    }
}

static VAStatus sync_surface(VADriverContextP ctx, VASurfaceID id) { return VA_STATUS_SUCCESS; }

static VAStatus surface_status(VADriverContextP ctx, VASurfaceID id, VASurfaceStatus *status) {
    *status = VASurfaceReady;
    return VA_STATUS_SUCCESS;
}

static VAStatus image_formats(VADriverContextP ctx, VAImageFormat *list, int *count) {
    list[0] = (VAImageFormat){.fourcc = VA_FOURCC_NV12, .byte_order = VA_LSB_FIRST, .bits_per_pixel = 12};
    *count = 1;
    return VA_STATUS_SUCCESS;
}

static void describe(VAImage *image, int width, int height, VABufferID buffer) {
    VAImageID id;
    make(&id)->coded = buffer;
    *image = (VAImage){.image_id = id, .buf = buffer, .width = width, .height = height, .num_planes = 2};
    image->format = (VAImageFormat){.fourcc = VA_FOURCC_NV12, .byte_order = VA_LSB_FIRST, .bits_per_pixel = 12};
    image->pitches[0] = image->pitches[1] = width;
    image->offsets[1] = width * height;
    image->data_size = width * height * 3 / 2;
}

static VAStatus derive_image(VADriverContextP ctx, VASurfaceID id, VAImage *image) {
    struct object *surface = get(id);
    VABufferID buffer;
    struct object *pixels = make(&buffer);
    pixels->type = VAImageBufferType, pixels->data = surface->data, pixels->size = surface->size;
    describe(image, surface->width, surface->height, buffer);
    return VA_STATUS_SUCCESS;
}

static VAStatus create_image(VADriverContextP ctx, VAImageFormat *format, int width, int height, VAImage *image) {
    VABufferID buffer;
    create_buffer(ctx, 0, VAImageBufferType, width * height * 3 / 2, 1, NULL, &buffer);
    describe(image, width, height, buffer);
    return VA_STATUS_SUCCESS;
}

static VAStatus get_image(VADriverContextP ctx, VASurfaceID id, int x, int y, unsigned width, unsigned height, VAImageID image) {
    struct object *surface = get(id), *pixels = get(get(image)->coded);
    memcpy(pixels->data, surface->data, pixels->size < surface->size ? pixels->size : surface->size);
    return VA_STATUS_SUCCESS;
}

static VAStatus put_image(VADriverContextP ctx, VASurfaceID id, VAImageID image, int x, int y, unsigned width, unsigned height, int to_x, int to_y, unsigned to_width, unsigned to_height) {
    struct object *surface = get(id), *pixels = get(get(image)->coded);
    memcpy(surface->data, pixels->data, pixels->size < surface->size ? pixels->size : surface->size);
    return VA_STATUS_SUCCESS;
}

static VAStatus pipeline_caps(VADriverContextP ctx, VAContextID id, VABufferID *filters, unsigned count, VAProcPipelineCaps *caps) {
    memset(caps, 0, sizeof *caps);
    return VA_STATUS_SUCCESS;
}

static VAStatus no_filters(VADriverContextP ctx, VAContextID id, VAProcFilterType *filters, unsigned *count) {
    *count = 0;
    return VA_STATUS_SUCCESS;
}

// What FFmpeg does not call and libva wants to be there all the same.
static VAStatus unused() { return VA_STATUS_ERROR_UNIMPLEMENTED; }

#define NAMED(major, minor) __vaDriverInit_##major##_##minor
#define DRIVER_INIT(major, minor) NAMED(major, minor)

VAStatus DRIVER_INIT(VA_MAJOR_VERSION, VA_MINOR_VERSION)(VADriverContextP ctx) {
    struct VADriverVTable *table = ctx->vtable;
    void **entries = (void **)table;
    ctx->version_major = VA_MAJOR_VERSION, ctx->version_minor = VA_MINOR_VERSION;
    ctx->max_profiles = 8, ctx->max_entrypoints = 4, ctx->max_attributes = 64, ctx->max_image_formats = 4;
    ctx->max_subpic_formats = 1, ctx->max_display_attributes = 1;
    ctx->str_vendor = "Reelmill test driver";
    for (size_t i = 0; i < offsetof(struct VADriverVTable, vaBufferInfo) / sizeof *entries; i++) entries[i] = (void *)unused;
    table->vaTerminate = terminate, table->vaQueryConfigProfiles = profiles;
    table->vaQueryConfigEntrypoints = entrypoints, table->vaGetConfigAttributes = attributes;
    table->vaCreateConfig = create_config, table->vaDestroyConfig = destroy, table->vaQueryConfigAttributes = query_config;
    table->vaCreateSurfaces = create_surfaces, table->vaCreateSurfaces2 = create_surfaces2;
    table->vaDestroySurfaces = destroy_surfaces, table->vaQuerySurfaceAttributes = surface_attributes;
    table->vaCreateContext = create_context, table->vaDestroyContext = destroy;
    table->vaCreateBuffer = create_buffer, table->vaBufferSetNumElements = set_elements;
    table->vaMapBuffer = map_buffer, table->vaUnmapBuffer = unmap_buffer, table->vaDestroyBuffer = destroy;
    table->vaBeginPicture = begin_picture, table->vaRenderPicture = render_picture, table->vaEndPicture = end_picture;
    table->vaSyncSurface = sync_surface, table->vaQuerySurfaceStatus = surface_status;
    table->vaQueryImageFormats = image_formats, table->vaDeriveImage = derive_image;
    table->vaCreateImage = create_image, table->vaDestroyImage = destroy;
    table->vaGetImage = get_image, table->vaPutImage = put_image;
    ctx->vtable_vpp->vaQueryVideoProcFilters = no_filters;
    ctx->vtable_vpp->vaQueryVideoProcPipelineCaps = pipeline_caps;
    return VA_STATUS_SUCCESS;
}
