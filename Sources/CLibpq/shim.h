// libpq, as installed by Debian's libpq-dev. Only PostgresClient imports this module.
#pragma once

#include <libpq-fe.h>
