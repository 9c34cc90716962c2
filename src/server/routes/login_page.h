// The small page that asks for a token, and the answer to whoever has none.
#pragma once
#include "server/http.h"

namespace easel::server {

// 401: the login page for a browser that opens a page, a line of text for everybody else.
Response log_in_first(const Request& request);

// `wrong`: the token that was sent is not known.
Response login_page(bool wrong);

}  // namespace easel::server
