# syntax=docker/dockerfile:1
# docker buildx build --platform linux/amd64,linux/arm64 --tag ghcr.io/meshaccel/meshaccel:VERSION .
#
# The BPF objects are portable between kernels (CO-RE). Their types come from bpf/include/vmlinux.h, so the kernel and the
# architecture of the machine that builds do not matter. At load time the types are relocated to those of the node's kernel.
FROM node:24-bookworm AS build
# The image has files of this stage, and no list of their packages.
ARG BUILDKIT_SBOM_SCAN_STAGE=true
RUN apt-get update && apt-get install --yes --no-install-recommends \
	clang llvm bpftool libbpf-dev libbpf1 gcc libc6-dev linux-libc-dev
WORKDIR /src
COPY package.json package-lock.json ./
COPY packages/libbpf/package.json packages/libbpf/
COPY bench/package.json bench/
RUN npm ci --no-audit --no-fund
COPY . .
RUN bash scripts/build.sh && bash scripts/image-root.sh /image

# The compile service (docs/COMPILE.md): docker build --target compile-server .
FROM node:24-bookworm-slim AS compile-server
RUN apt-get update && apt-get install --yes --no-install-recommends \
	bubblewrap clang llvm bpftool libbpf-dev libbpf1 linux-libc-dev && rm -rf /var/lib/apt/lists/*
COPY --from=build /image/app /app
COPY --from=build /src/bpf /app/bpf
COPY --from=build /src/scripts/build-bpf.sh /src/scripts/stale.sh /app/scripts/
ENTRYPOINT ["node", "/app/dist/src/cli.js", "compile-server"]

# The image has no shell and no package manager. The agent runs as root, because bpffs, namespaces and the host's CNI files
# require it. deploy/helm drops every capability that it does not need.
FROM scratch
COPY --from=build /image /
ENV PATH=/usr/bin
ENTRYPOINT ["/usr/bin/meshaccel"]
