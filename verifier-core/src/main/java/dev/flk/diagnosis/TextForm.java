// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import java.util.ArrayList;
import java.util.List;

/** How a signer may have written the text that it signed: one choice for each thing that can be done otherwise. */
record TextForm(Scope scope, Order order, Spacing spacing, End end, StringForm strings, NumberForm numbers) {
    /** The one that is signed. */
    static final TextForm CANONICAL = new TextForm(
            Scope.SIGNED_FIELDS,
            Order.SORTED,
            Spacing.NONE,
            End.NOTHING,
            StringForm.ASCII,
            new NumberForm(NumberLayout.PYTHON, Rounding.PROPER));

    /** Which fields. */
    enum Scope {
        SIGNED_FIELDS,
        ALL_BUT_SIG
    }

    /** In which order. */
    enum Order {
        /** By character code: capitals first. */
        SORTED(""),
        DOCUMENT("The fields stand in the order of the certificate."),
        /** That of the format's table. */
        FORMAT("The fields stand in the order in which the format lists them."),
        IGNORING_CASE("The fields are sorted as if D_hat were d_hat.");

        private final String what;

        Order(String what) {
            this.what = what;
        }
    }

    /** With which white space between. */
    enum Spacing {
        NONE(""),
        SPACES("A space follows each comma and colon, as Python does unless told otherwise."),
        INDENTED("The text is indented over several lines.");

        private final String what;

        Spacing(String what) {
            this.what = what;
        }
    }

    /** What follows the text. */
    enum End {
        NOTHING,
        LINE_FEED
    }

    /** How many things are otherwise than in the canonical form. */
    int deviations() {
        return count(scope != Scope.SIGNED_FIELDS)
                + count(order != Order.SORTED)
                + count(spacing != Spacing.NONE)
                + count(end != End.NOTHING)
                + count(strings != StringForm.ASCII)
                + numbers.deviations();
    }

    private static int count(boolean otherwise) {
        return otherwise ? 1 : 0;
    }

    private boolean isRoundedOtherwise() {
        return !numbers.rounding().equals(Rounding.PROPER);
    }

    List<Difference> differences() {
        List<Difference> found = new ArrayList<>();
        if (isRoundedOtherwise()) {
            found.add(new Difference(Cause.ROUNDING, numbers.rounding().what(), Rounding.advice()));
        }
        if (scope != Scope.SIGNED_FIELDS) {
            add(
                    found,
                    "The whole certificate was signed, all but sig.",
                    "Sign exactly D_hat, budget, coh_star, epoch, merkle_root, pcs_id, r and shard_id.");
        }
        if (order != Order.SORTED) {
            add(found, order.what, "Sort them by character code, capitals first: sort_keys=True in Python.");
        }
        if (spacing != Spacing.NONE) {
            add(found, spacing.what, "Write no white space at all: separators=(',', ':') in Python, -c in jq.");
        }
        if (end != End.NOTHING) {
            add(
                    found,
                    "A line feed follows the text, as echo, print and jq write it.",
                    "End with the closing brace: printf %s, or print(…, end='').");
        }
        if (strings != StringForm.ASCII) {
            add(found, strings.what(), StringForm.advice());
        }
        if (numbers.layout() != NumberLayout.PYTHON) {
            add(
                    found,
                    "Reals are spelled as " + numbers.layout().displayName() + ".",
                    "Spell them as Python's repr(float(x)) does: 1.0, 0.0001, 1e-05, 1e+16.");
        }
        return found;
    }

    private static void add(List<Difference> found, String what, String advice) {
        found.add(new Difference(Cause.SERIALISATION, what, advice));
    }
}
