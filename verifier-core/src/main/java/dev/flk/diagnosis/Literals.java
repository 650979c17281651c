// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

/** Integers as a program prints them that has read them. */
final class Literals {
    private Literals() {}

    /** In a language whose integers have no bounds. */
    static String integer(String literal) {
        return literal.equals("-0") ? "0" : literal;
    }
}
