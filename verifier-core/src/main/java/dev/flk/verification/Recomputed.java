// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import dev.flk.certificate.Regime;

/**
 * What the verifier found itself.
 *
 * @param dHat D̂ from scales and counts, rounded to 9 decimals
 * @param budget from that D̂ and the claimed coh★ and r, rounded to 9 decimals
 * @param regime from that D̂ and the claimed coh★
 */
public record Recomputed(double dHat, double budget, Regime regime) {}
