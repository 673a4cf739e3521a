#!/usr/bin/env bash
# The whole chain on phantoms, through DICOM files as a hospital would send them. `make demo` calls it.
set -euo pipefail
: "${BIN:?}" "${OUT:?}" "${CASES:=100}" "${SEED:=1}" "${WORKERS:=2}"
start=$SECONDS
step() { printf '\n[%3d s] %s\n' $((SECONDS - start)) "$*"; }
export TF_CPP_MIN_LOG_LEVEL=2

step "1/6 phantom: $CASES synthetic PET/CT studies with reader ROIs, as DICOM"
"$BIN/tmtv" phantom "$OUT/phantom" --cases "$CASES" --seed "$SEED" --workers "$WORKERS"
step "2/6 prepare: DICOM -> SUV, four threshold masks, TMTVprob"
"$BIN/tmtv" prepare "$OUT/phantom/dicom" --out "$OUT/cases" --clinical "$OUT/phantom/cohort.csv" \
    --no-model-grid --workers "$WORKERS"
step "3/6 train: a small V-Net on the training phantoms"
"$BIN/python" -m training.train_vnet --config training/configs/demo.yaml --data "$OUT/cases" --out "$OUT/model"
step "4/6 predict: probability maps of all phantoms"
"$BIN/tmtv" predict "$OUT/cases" --model "$OUT/model/best.keras" --out "$OUT/probability"
step "5/6 post-process: lesions and TMTV under each threshold"
"$BIN/tmtv-postprocess" --probability "$OUT/probability" --suv "$OUT/cases" --out "$OUT/results" --overwrite --workers "$WORKERS"
step "6/6 evaluate: tables, figures, report"
"$BIN/tmtv" evaluate "$OUT/results" --cases "$OUT/cases" --out "$OUT/report" --workers "$WORKERS"
printf '\nDone in %d s. Look at:\n  %s/report/index.html\n  %s/report/evaluation.json\n' $((SECONDS - start)) "$OUT" "$OUT"
echo 'Synthetic phantoms are not patients: these figures say that the chain works, not how well it does on people.'
