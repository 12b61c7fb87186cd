// Preloaded: what libva takes for a render node is /dev/null.
int drmGetNodeTypeFromFd(int fd) { return 2; }
