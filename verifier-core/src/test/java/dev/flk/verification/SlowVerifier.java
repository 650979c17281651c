// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.flk.canonical.CanonicalDouble;
import java.io.IOException;
import java.math.BigDecimal;
import java.math.MathContext;
import java.math.RoundingMode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * A slow but obviously correct reference for the default policy: it uses 50-digit logarithms, decimal arithmetic (but
 * for the budget a sum of doubles), and a tree of the complete certificate. Its result is the status, a space and the
 * body.
 */
final class SlowVerifier {
    private static final MathContext DIGITS = new MathContext(50);
    private static final Map<Long, BigDecimal> LOGARITHMS = new TreeMap<>();

    private final JsonNode certificate;

    private SlowVerifier(JsonNode certificate) {
        this.certificate = certificate;
    }

    static String answer(String certificate) throws IOException {
        return new SlowVerifier(new ObjectMapper().readTree(certificate)).answer();
    }

    private String answer() {
        double claimed = claimed("D_hat");
        List<Integer> scales = new ArrayList<>();
        certificate.get("scales").forEach(scale -> scales.add(scale.intValue()));
        String failure = failure(scales);
        if (failure != null) {
            return body(false, true, "\"D_hat\":" + print(claimed), "D_hat recomputation failed: " + failure);
        }
        double dHat = median(slopes(scales)).setScale(9, RoundingMode.HALF_EVEN).doubleValue();
        double cohStar = claimed("coh_star");
        double r = claimed("r");
        double raw = 0.10 + 0.30 * (1 - r) + 0.50 * Math.max(0, dHat - 2.2) + 0.20 * cohStar;
        double budget = nine(new BigDecimal(Math.min(1, Math.max(0, raw))));
        String regime = cohStar >= 0.70 && dHat <= 1.5 ? "sticky" : dHat >= 2.6 ? "non_sticky" : "mixed";
        String numbers = "\"D_hat\":" + print(claimed) + ",\"recomputed_D_hat\":" + print(dHat)
                + ",\"recomputed_budget\":" + print(budget) + ",\"regime\":\"" + regime + "\"";

        BigDecimal diff = decimal(claimed).subtract(decimal(dHat)).abs();
        if (diff.compareTo(new BigDecimal("0.15")) > 0) {
            return body(
                    false,
                    true,
                    numbers,
                    "D_hat out of tolerance: claimed=" + four(claimed) + ", recomputed=" + four(dHat) + ", diff="
                            + four(diff.doubleValue()) + " > tol=0.1500");
        }
        if (cohStar < 0 || cohStar > 1.05) {
            return body(false, true, numbers, "coh_star out of bounds: " + four(cohStar) + " not in [0, 1.0500]");
        }
        if (r < 0 || r > 1) {
            return body(false, true, numbers, "r out of bounds: " + four(r) + " not in [0, 1]");
        }
        String claimedRegime = certificate.get("regime").textValue();
        if (!claimedRegime.equals(regime)) {
            return body(true, true, numbers, "regime mismatch: claimed=" + claimedRegime + ", expected=" + regime);
        }
        double claimedBudget = claimed("budget");
        BigDecimal deviation = decimal(claimedBudget).subtract(decimal(budget)).abs();
        if (deviation.compareTo(new BigDecimal("0.01")) > 0) {
            return body(
                    true,
                    true,
                    numbers,
                    "budget deviation: claimed=" + four(claimedBudget) + ", recomputed=" + four(budget));
        }
        if (certificate.get("ft").get("degraded").booleanValue()) {
            List<String> fallbacks = new ArrayList<>();
            certificate.get("ft").get("fallbacks").forEach(name -> fallbacks.add(name.textValue()));
            String names = fallbacks.isEmpty() ? "no fallback named" : String.join(", ", fallbacks);
            return body(true, true, numbers, "degraded: " + names);
        }
        return body(true, false, numbers, null);
    }

    private String failure(List<Integer> scales) {
        if (scales.size() < 2) {
            return "fewer than 2 scales";
        }
        for (int scale : scales) {
            JsonNode count = certificate.get("N_j").get(Integer.toString(scale));
            if (count == null) {
                return "N_j has no scale " + scale;
            }
            if (count.longValue() < 1) {
                return "N_j of scale " + scale + " is " + count.longValue();
            }
        }
        return null;
    }

    private List<BigDecimal> slopes(List<Integer> scales) {
        List<BigDecimal> slopes = new ArrayList<>();
        for (int a : scales) {
            for (int b : scales) {
                if (a < b) {
                    BigDecimal rise = ln(count(b)).subtract(ln(count(a)));
                    slopes.add(rise.divide(ln(b).subtract(ln(a)), DIGITS));
                }
            }
        }
        return slopes;
    }

    private long count(int scale) {
        return certificate.get("N_j").get(Integer.toString(scale)).longValue();
    }

    private static BigDecimal median(List<BigDecimal> values) {
        Collections.sort(values);
        BigDecimal sum = values.get((values.size() - 1) / 2).add(values.get(values.size() / 2));
        return sum.divide(BigDecimal.valueOf(2), DIGITS);
    }

    /** Computes ln(x) = 2 artanh((x−1)/(x+1)) for x scaled into [1, 2), plus a multiple of ln 2. */
    private static BigDecimal ln(long x) {
        return LOGARITHMS.computeIfAbsent(x, SlowVerifier::computeLn);
    }

    private static BigDecimal computeLn(long x) {
        int halvings = 63 - Long.numberOfLeadingZeros(x);
        BigDecimal scaled = BigDecimal.valueOf(x).divide(BigDecimal.valueOf(2).pow(halvings), DIGITS);
        return series(scaled).add(series(BigDecimal.valueOf(2)).multiply(BigDecimal.valueOf(halvings)), DIGITS);
    }

    private static BigDecimal series(BigDecimal x) {
        BigDecimal quotient = x.subtract(BigDecimal.ONE).divide(x.add(BigDecimal.ONE), DIGITS);
        BigDecimal square = quotient.multiply(quotient, DIGITS);
        BigDecimal power = quotient;
        BigDecimal sum = BigDecimal.ZERO;
        for (int odd = 1; odd < 120; odd += 2) {
            sum = sum.add(power.divide(BigDecimal.valueOf(odd), DIGITS), DIGITS);
            power = power.multiply(square, DIGITS);
        }
        return sum.multiply(BigDecimal.valueOf(2));
    }

    private double claimed(String field) {
        return nine(new BigDecimal(certificate.get(field).doubleValue()));
    }

    private static double nine(BigDecimal exact) {
        return exact.setScale(9, RoundingMode.HALF_EVEN).doubleValue();
    }

    /** Returns the decimal with at most 9 places that a rounded double represents. */
    private static BigDecimal decimal(double rounded) {
        return new BigDecimal(rounded).setScale(9, RoundingMode.HALF_EVEN);
    }

    /** Prints a double with the tested code, which has a reference of its own. */
    private static String print(double x) {
        return CanonicalDouble.print(x);
    }

    private static String four(double x) {
        return (x < 0 ? "-" : "")
                + new BigDecimal(Math.abs(x))
                        .setScale(4, RoundingMode.HALF_EVEN)
                        .toPlainString();
    }

    private String body(boolean accepted, boolean escalated, String numbers, String reason) {
        return (accepted && !escalated ? "200 " : "202 ") + "{\"pcs_id\":\""
                + certificate.get("pcs_id").textValue() + "\",\"accepted\":" + accepted + ",\"escalated\":" + escalated
                + "," + numbers + (reason == null ? "" : ",\"reason\":\"" + reason + "\"")
                + ",\"policy\":\"d42d87fe4a98\"}";
    }
}
