// Every node we have is declared as ComfyUI declares it, texts and file lists apart.
#include "graph/describe.h"
#include "nodes/studio.h"
#include "parity/golden.h"

namespace easel {
namespace {

void drop_texts(OrderedJson& json) {
  if (json.is_object())
    for (const char* key : {"tooltip", "description", "output_tooltips"}) json.erase(key);
  if (json.is_structured())
    for (auto& child : json) drop_texts(child);
}

TEST(ObjectInfo, EqualsTheRecordedDeclarations) {
  EASEL_NEEDS_PARITY();
  const auto recorded = parity::read_json(*parity::folder() / "api" / "object_info.json");
  const Studio studio;
  size_t compared = 0;
  for (const Node& node : studio.registry.all()) {
    ASSERT_TRUE(recorded.contains(node.id)) << node.id << " is no node of ComfyUI's";
    auto mine = object_info(node, [](const FileSource&) { return std::vector<std::string>(); });
    drop_texts(mine);
    const Json plain = Json::parse(mine.dump());
    EXPECT_EQ(plain, recorded.at(node.id)) << node.id << ": " << Json::diff(recorded.at(node.id), plain).dump();
    compared++;
  }
  printf("%zu declarations compared\n", compared);
  EXPECT_GE(compared, 60u);
}

// What the page cannot do without, and what the issue names.
TEST(ObjectInfo, HasTheNodesThatAreNamed) {
  const Studio studio;
  for (const char* id : {"CheckpointLoaderSimple",
                         "ImageOnlyCheckpointLoader",
                         "LoraLoader",
                         "LoraLoaderModelOnly",
                         "VAELoader",
                         "ControlNetLoader",
                         "UNETLoader",
                         "UpscaleModelLoader",
                         "StyleModelLoader",
                         "GLIGENLoader",
                         "CLIPLoader",
                         "CLIPTextEncode",
                         "CLIPSetLastLayer",
                         "KSampler",
                         "KSamplerAdvanced",
                         "EmptyLatentImage",
                         "VAEDecode",
                         "VAEDecodeTiled",
                         "VAEEncode",
                         "VAEEncodeTiled",
                         "VAEEncodeForInpaint",
                         "SetLatentNoiseMask",
                         "LatentUpscale",
                         "LatentUpscaleBy",
                         "LatentFromBatch",
                         "RepeatLatentBatch",
                         "LoadImage",
                         "LoadImageMask",
                         "SaveImage",
                         "PreviewImage",
                         "ImageScale",
                         "ImageScaleBy",
                         "ImageInvert",
                         "ImageBatch",
                         "EmptyImage",
                         "ImagePadForOutpaint",
                         "MaskToImage",
                         "ImageToMask",
                         "SaveLatent",
                         "LoadLatent",
                         "PreviewAny",
                         "StringConcatenate",
                         "StringSubstring",
                         "StringLength",
                         "CaseConverter",
                         "StringTrim",
                         "StringReplace",
                         "StringContains",
                         "StringCompare",
                         "RegexMatch",
                         "RegexExtract",
                         "RegexReplace",
                         "PrimitiveString",
                         "PrimitiveStringMultiline",
                         "PrimitiveInt",
                         "PrimitiveFloat",
                         "PrimitiveBoolean"})
    EXPECT_NE(studio.registry.find(id), nullptr) << id;
}

TEST(ObjectInfo, EveryNodeSaysWhatItIs) {
  const Studio studio;
  for (const Node& node : studio.registry.all()) EXPECT_FALSE(node.about.empty()) << node.id;
}

}  // namespace
}  // namespace easel
