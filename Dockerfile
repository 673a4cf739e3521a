# docker build --target postprocess -t tmtv-postprocess .     DICOM, SUV, post-processing; no TensorFlow
# docker build --target run         -t tmtv-run .         one study to everything: tmtv run, no TensorFlow, slim
# docker build --target cpu         -t tmtv:cpu .             and TensorFlow for CPU
# docker build --target gpu         -t tmtv:gpu .             and TensorFlow with CUDA from PyPI (alias: train)
#
# Any base with Python >= 3.11 and its venv module will do; a GPU needs only the host's driver and the
# NVIDIA container toolkit, since CUDA comes with the wheels.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PATH=/opt/tmtv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 MPLCONFIGDIR=/tmp/matplotlib
RUN python3 -m venv /opt/tmtv && useradd --create-home --uid 1000 tmtv && install -d -o tmtv /data
# The key of the case ids (docs/how_to/prepare.md) lies in the mounted folder, and so outlives the container.
ENV XDG_CONFIG_HOME=/data/.config
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE /src/
WORKDIR /data

# Dependencies first, of a package that is still empty: a change of the source does not install them again.
FROM base AS run-dependencies
# Without OpenVINO's plugins for Intel's GPUs and NPUs (50 MB) and the packages' own tests (110 MB), which nothing here uses.
RUN pip install -c /src/constraints.txt '/src[codecs,review,pacs]' && cd /opt/tmtv/lib/python3*/site-packages && \
    rm -f openvino/libs/libopenvino_intel_[gn]pu_plugin.so && \
    find scipy pandas sklearn networkx matplotlib nibabel -type d -name tests -prune -exec rm -rf {} +
FROM base AS postprocess-dependencies
RUN pip install -c /src/constraints.txt '/src[codecs,cluster,review,pacs]'
FROM postprocess-dependencies AS cpu-dependencies
RUN pip install -c /src/constraints.txt '/src[cpu]'
FROM postprocess-dependencies AS gpu-dependencies
# Of the wheels' libraries TensorFlow 2.21.0 does not find cuSOLVER, and then takes no GPU (tensorflow pull request 112973).
RUN pip install -c /src/constraints.txt '/src[gpu]' && \
    echo /opt/tmtv/lib/python3*/site-packages/nvidia/cusolver/lib >/etc/ld.so.conf.d/cusolver.conf && ldconfig

# The page of tmtv review: npm here, nothing of it in the images.
FROM base AS page
COPY tmtv_tf/review/page /src/tmtv_tf/review/page
RUN sh /src/tmtv_tf/review/page/build.sh

# The package itself, as it will lie in /opt/tmtv.
FROM base AS package
COPY . /src
COPY --from=page /src/tmtv_tf/review/static /src/tmtv_tf/review/static
RUN pip install --no-deps --prefix /package /src

FROM cpu-dependencies AS cpu
COPY --from=package /package /opt/tmtv
USER tmtv
CMD ["tmtv", "--help"]

FROM gpu-dependencies AS gpu
COPY --from=package /package /opt/tmtv
USER tmtv
CMD ["tmtv", "--help"]

FROM gpu AS train

FROM run-dependencies AS run
COPY --from=package /package /opt/tmtv
USER tmtv
ENTRYPOINT ["tmtv", "run"]
CMD ["--help"]

FROM postprocess-dependencies AS postprocess
COPY --from=package /package /opt/tmtv
USER tmtv
ENTRYPOINT ["tmtv-postprocess"]
CMD ["--help"]
