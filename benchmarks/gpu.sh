#!/bin/sh
# What needs a GPU, in order of importance; a part that fails or takes too long does not stop the others.
#
#     benchmarks/gpu.sh                      # sampling dit_parts precision end_to_end
#     benchmarks/gpu.sh sampling512 unet     # others: sampling64 sampling512 cudnn unet hps fid fid_network
#
# Results go to $OUT (or outputs/gpu): a JSON for each part, to be put into reports/published/benchmarks/raw, and
# log.txt. DEVICE=cpu with QUICK=1 rehearses everything with tiny sizes.

cd "$(dirname "$0")/.." || exit 1
OUT=${OUT:-outputs/gpu}
DEVICE=${DEVICE:-cuda}
export PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}" PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1
mkdir -p "$OUT"

if [ -n "$QUICK" ]; then
    XL="--preset tiny --steps 2 --passes --compile --peak-seconds 0.2" XL512="$XL"
    PICTURES="--steps 2 --batch 2 --side 128 --rounds 3" RUN="--steps 1 --rounds 1 --prompts smoke --more --limit 1"
    PARTS="--rows 1 --tokens 16"
    HPS="--images 2 --side 64 --rounds 1"
    FID="--images 8 --rounds 1 --stage-rounds 1 --gemm-seconds 0.2 --peers clean-fid --threads 1"
    NETWORK="--batch 2 1 --rounds 1 --gemm-seconds 0.1"
else
    XL="--preset xl2 --steps 20" XL512="--preset xl2-512 --steps 10"
    PICTURES="--steps 20 --batch 16 --rounds 5" RUN="--steps 20 --rounds 2" PARTS=""
    HPS="--architecture ViT-H-14 --images 32 --memory 2048 --rounds 3 --threads 16"
    FID="--images 2048 --rounds 3 --gemm-seconds 1 --peers torch-fidelity clean-fid --threads 16"
    NETWORK=""
fi

# part NAME SECONDS SCRIPT ARGUMENTS...
part() {
    name=$1 seconds=$2 script=$3
    shift 3
    began=$(date +%s)
    echo "== $name: $script $*"
    timeout "$seconds" python3 "benchmarks/$script.py" --device "$DEVICE" --json "$OUT/$name.json" "$@" ||
        echo "== $name: exit code $?"
    echo "== $name: $(($(date +%s) - began)) s"
}

for name in ${*:-sampling dit_parts precision end_to_end}; do
    case $name in
    sampling) part "$name" 200 sampling $XL --dtype bf16 --batch 32 1 8 --rounds 3 --warm 0 ;;
    sampling64) part "$name" 170 sampling $XL --dtype bf16 --batch 64 --rounds 3 --warm 0 ;;
    sampling512) part "$name" 200 sampling $XL512 --dtype bf16 --batch 8 1 --rounds 3 --warm 0 ;;
    cudnn) part "$name" 120 sampling $XL --dtype bf16 --batch 32 --rounds 3 --warm 0 --attention cudnn ;;
    dit_parts) part "$name" 40 dit_parts $PARTS ;;
    precision) part "$name" 60 precision --model dit $PICTURES ;;
    unet) part "$name" 120 precision --model unet $PICTURES ;;
    hps) part "$name" 150 hps $HPS --ready= ;;
    fid) part "$name" 150 fid_features $FID ;;
    fid_network) part "$name" 60 fid_network $NETWORK ;;
    end_to_end) part "$name" 200 end_to_end --model dit $RUN ;;
    *) echo "no part $name" ;;
    esac
done 2>&1 | tee -a "$OUT/log.txt"
