# docker build --target postprocess -t tmtv-postprocess .     DICOM, SUV, post-processing; no TensorFlow
# docker build --target cpu         -t tmtv:cpu .             and TensorFlow for CPU
# docker build --target gpu         -t tmtv:gpu .             and TensorFlow with CUDA from PyPI (alias: train)
#
# Any base with Python >= 3.11 and its venv module will do; a GPU needs only the host's driver and the
# NVIDIA container toolkit, since CUDA comes with the wheels.
ARG BASE_IMAGE=python:3.12-slim-bookworm

FROM ${BASE_IMAGE} AS base
ENV PATH=/opt/tmtv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 MPLCONFIGDIR=/tmp/matplotlib
RUN python3 -m venv /opt/tmtv && useradd --create-home --uid 1000 tmtv && mkdir /data && chown tmtv /data
WORKDIR /src
COPY setup.cfg pyproject.toml constraints.txt README.md LICENSE ./

# Dependencies first: a change of the source does not install them again.
FROM base AS postprocess-dependencies
RUN mkdir postprocess tmtv_tf training && pip install -c constraints.txt '.[codecs,cluster]' && pip uninstall -y tmtv-tf
FROM base AS cpu-dependencies
RUN mkdir postprocess tmtv_tf training && pip install -c constraints.txt '.[codecs,cluster,cpu]' && pip uninstall -y tmtv-tf
FROM base AS gpu-dependencies
RUN mkdir postprocess tmtv_tf training && pip install -c constraints.txt '.[codecs,cluster,gpu]' && pip uninstall -y tmtv-tf

FROM postprocess-dependencies AS postprocess
COPY postprocess postprocess
COPY tmtv_tf tmtv_tf
COPY training training
RUN pip install --no-deps -c constraints.txt .
USER tmtv
WORKDIR /data
ENTRYPOINT ["tmtv-postprocess"]
CMD ["--help"]

FROM cpu-dependencies AS cpu
COPY postprocess postprocess
COPY tmtv_tf tmtv_tf
COPY training training
RUN pip install --no-deps -c constraints.txt .
USER tmtv
WORKDIR /data
CMD ["tmtv", "--help"]

FROM gpu-dependencies AS gpu
COPY postprocess postprocess
COPY tmtv_tf tmtv_tf
COPY training training
RUN pip install --no-deps -c constraints.txt .
USER tmtv
WORKDIR /data
CMD ["tmtv", "--help"]

FROM gpu AS train
