// Random ids (UUID version 4).
#pragma once
#include <string>

namespace easel::server {

// "1b9d6bcd-bbfd-4b2d-9b5d-ab8dfbbd4bed", or the same 32 digits without dashes. From the system's random source.
std::string make_uuid(bool dashes = true);

}  // namespace easel::server
