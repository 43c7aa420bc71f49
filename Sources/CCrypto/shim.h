// OpenSSL's libcrypto, as Debian's libssl-dev installs it.
#include <openssl/evp.h>
