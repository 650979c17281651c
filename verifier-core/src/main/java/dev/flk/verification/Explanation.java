// SPDX-License-Identifier: Apache-2.0
package dev.flk.verification;

import java.util.List;

/**
 * How a verdict came about.
 *
 * @param steps in the order in which they are tried; the first that objects gave the reason, the ones behind it would have
 *     been tried next. Only the first one if D̂ could not be recomputed
 */
public record Explanation(List<Step> steps, Verdict verdict) {
    public Explanation {
        steps = List.copyOf(steps);
    }
}
