// First engine of the name store: tables in the SQLite file that the daemons of one machine share.
// One thread; transactions that wait together share one commit of the file.
#pragma once

#include <memory>
#include <string>

#include "namespace/tree/name_store.h"

namespace dspm::names {

// Errors: io_error, with the file's name. `post` must outlive the store's close().
Result<std::unique_ptr<NameStore>> open_sqlite_name_store(const std::string& file, Post post,
                                                          ApplyDelta apply_delta);

}  // namespace dspm::names
