// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.Sha256;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The numbers on which a decision depends, in addition to the certificate. Each number is finite and rounded to 9
 * decimals. {@link #text} prints all numbers in full.
 *
 * @param tolD the greatest accepted difference between the claimed and the recomputed D̂, at least 0
 * @param tolCoh the greatest accepted excess of coh★ over 1, at least 0
 * @param tolBudget the greatest accepted difference between the claimed and the recomputed budget, at least 0
 * @param base the budget of a certificate with r = 1, a small D̂ and coh★ = 0
 * @param alpha the weight of 1 − r
 * @param beta the weight of the part of D̂ above {@code d0}
 * @param gamma the weight of coh★
 * @param d0 the D̂ above which D̂ contributes to the budget
 */
public record Policy(
        double tolD, double tolCoh, double tolBudget, double base, double alpha, double beta, double gamma, double d0) {

    private static final Pattern TEXT = Pattern.compile("tol_d=([^;]+);tol_coh=([^;]+);tol_budget=([^;]+);"
            + "base=([^;]+);alpha=([^;]+);beta=([^;]+);gamma=([^;]+);d0=([^;]+)");

    private static final int HASH_BYTES = 6;

    public Policy {
        tolD = tolerance("tol_d", tolD);
        tolCoh = tolerance("tol_coh", tolCoh);
        tolBudget = tolerance("tol_budget", tolBudget);
        base = finite("base", base);
        alpha = finite("alpha", alpha);
        beta = finite("beta", beta);
        gamma = finite("gamma", gamma);
        d0 = finite("d0", d0);
    }

    public static Policy defaults() {
        return new Policy(0.15, 0.05, 0.01, 0.10, 0.30, 0.50, 0.20, 2.2);
    }

    /**
     * Parses a policy from its {@link #text}.
     *
     * @throws IllegalArgumentException unless {@code text} is exactly the text of a policy
     */
    public static Policy parse(String text) {
        Matcher values = TEXT.matcher(text);
        if (!values.matches()) {
            throw new IllegalArgumentException("not a policy (tol_d=…;tol_coh=…;…;d0=…): " + text);
        }
        Policy policy = new Policy(
                number(values, 1),
                number(values, 2),
                number(values, 3),
                number(values, 4),
                number(values, 5),
                number(values, 6),
                number(values, 7),
                number(values, 8));
        if (!policy.text().equals(text)) {
            throw new IllegalArgumentException(
                    "the policy " + text + " is not in canonical form; it should be " + policy.text());
        }
        return policy;
    }

    /** Returns the complete policy in one line: {@code tol_d=0.15;tol_coh=0.05;…;d0=2.2}. */
    public String text() {
        return "tol_d=" + CanonicalDouble.print(tolD)
                + ";tol_coh=" + CanonicalDouble.print(tolCoh)
                + ";tol_budget=" + CanonicalDouble.print(tolBudget)
                + ";base=" + CanonicalDouble.print(base)
                + ";alpha=" + CanonicalDouble.print(alpha)
                + ";beta=" + CanonicalDouble.print(beta)
                + ";gamma=" + CanonicalDouble.print(gamma)
                + ";d0=" + CanonicalDouble.print(d0);
    }

    /** Returns the first 12 hex digits of the SHA-256 of {@link #text}, computed on each call. */
    public String hash() {
        return HexFormat.of().formatHex(Sha256.of(text().getBytes(StandardCharsets.US_ASCII)), 0, HASH_BYTES);
    }

    /** Returns the budget that the verifier expects in a certificate with these values. */
    public double budget(double dHat, double cohStar, double r) {
        return budgetTerms(dHat, cohStar, r).budget();
    }

    /** Returns the terms of {@code base + alpha·(1−r) + beta·max(0, D̂−d0) + gamma·coh★}. */
    public BudgetTerms budgetTerms(double dHat, double cohStar, double r) {
        return new BudgetTerms(base, alpha * (1 - r), beta * Math.max(0.0, dHat - d0), gamma * cohStar);
    }

    private static double number(Matcher values, int group) {
        try {
            return Double.parseDouble(values.group(group));
        } catch (NumberFormatException e) {
            throw new IllegalArgumentException("not a number in a policy: " + values.group(group), e);
        }
    }

    private static double tolerance(String name, double value) {
        if (value < 0) {
            throw new IllegalArgumentException(name + " must not be negative, but is " + value);
        }
        return finite(name, value);
    }

    private static double finite(String name, double value) {
        if (!Double.isFinite(value)) {
            throw new IllegalArgumentException(name + " must be a finite number, not " + value);
        }
        return CanonicalDouble.round9(value);
    }

    /**
     * The terms of a budget.
     *
     * @param base the part that every certificate has
     * @param incompressibility α·(1−r)
     * @param dimension β·max(0, D̂−d0)
     * @param coherence γ·coh★
     */
    public record BudgetTerms(double base, double incompressibility, double dimension, double coherence) {
        /**
         * Returns the sum of the terms, added as doubles from left to right. The order matters: another order could
         * give a slightly different sum, which near a tie is rounded to a different ninth decimal.
         */
        public double sum() {
            return base + incompressibility + dimension + coherence;
        }

        /** Returns the sum, clamped to [0, 1] and rounded to 9 decimals. */
        public double budget() {
            double sum = sum();
            // The sum is NaN if terms overflow in opposite directions. This happens only if r or coh★ is far out of
            // bounds, and then the verifier rejects the certificate anyway.
            double defined = Double.isNaN(sum) ? 0.0 : sum;
            return CanonicalDouble.round9(Math.max(0.0, Math.min(1.0, defined)));
        }
    }
}
