// SPDX-License-Identifier: Apache-2.0
package dev.flk.bench.suite;

/**
 * What is asked of a figure.
 *
 * @param what in words, with the figure that is asked for
 * @param value that was measured
 * @param reached whether it is good enough
 */
public record Target(String what, double value, boolean reached) {
    static Target atLeast(String what, double value, double least) {
        return new Target(what + " >= " + trim(least), value, value >= least);
    }

    static Target atMost(String what, double value, double most) {
        return new Target(what + " <= " + trim(most), value, value <= most);
    }

    private static String trim(double number) {
        return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
    }
}
