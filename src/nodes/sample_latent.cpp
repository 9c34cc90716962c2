#include "nodes/sample_latent.h"

#include "media/picture.h"

namespace easel {
namespace {

// [h, w, 3] uint8 as JPEG, at most (and at least one side) `size` pixels large.
Preview as_preview(const Tensor& rgb, int64_t size) {
  const auto* begin = rgb.const_data_ptr<uint8_t>();
  const media::Picture small{.width = static_cast<int>(rgb.size(1)),
                             .height = static_cast<int>(rgb.size(0)),
                             .channels = 3,
                             .pixels = {begin, begin + rgb.numel()}};
  return {"image/jpeg", media::encode_jpeg(media::fit_within(small, static_cast<int>(size)))};
}

// The first picture of a latent as the network sees it: by the small decoder where that is wished and there, else by a
// linear map of the channels.
Preview rough_picture(const Model& model, const Tensor& latent, const PreviewSettings& settings) {
  const Tensor first = latent.narrow(0, 0, 1);
  if (settings.method == "taesd" && model.tiny_decoder) {
    const Tensor image = ((model.tiny_decoder(first) + 1) * 127.5).clamp(0, 255).to(at::kByte);
    return as_preview(image[0].permute({1, 2, 0}).contiguous(), settings.max_size);
  }
  return as_preview(preview_rgb(model.latent_format(), first)[0].contiguous(), settings.max_size);
}

}  // namespace

Tensor fitted_latent(const char* who, const Model& model, const Tensor& samples) {
  const int64_t channels = model.latent_format().channels;
  if (samples.size(1) == channels) return samples;
  if (samples.count_nonzero().item<int64_t>() != 0)
    fail("{}: the latent has {} channels, the model ({}) works on {}; was it encoded with another model's VAE?", who,
         samples.size(1), model.id(), channels);
  std::vector<int64_t> shape = samples.sizes().vec();
  shape[1] = channels;
  return at::zeros(shape, samples.options());
}

SampleModel sample_model(Context& context, const Model& model) {
  const LatentFormat format = model.latent_format();
  return {.network =
              [&context, network = model.network()](const NetInput& input) {
                context.check_interrupt();
                return network(input);
              },
          .sampling = model.sampling,
          .process_in = [format](const Tensor& latent) { return format.to_network(latent); },
          .process_out = [format](const Tensor& latent) { return format.from_network(latent); },
          .weights = [model] { return model.weights(); },
          .inputs = model.inputs(),
          .patches = model.guidance};
}

SampleCallback report_steps(Context& context, const Model& model, Tensor* last_x0) {
  return [&context, model, last_x0](int64_t step, int64_t total, const Tensor& x0, const Tensor&) {
    if (last_x0) *last_x0 = x0;
    std::function<Preview()> preview;
    if (context.previews().wanted()) preview = [&] { return rough_picture(model, x0, context.previews()); };
    context.progress(step + 1, total, preview);
  };
}

}  // namespace easel
