// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.JsonValue;
import dev.flk.diagnosis.TextForm.End;
import dev.flk.diagnosis.TextForm.Order;
import dev.flk.diagnosis.TextForm.Scope;
import dev.flk.diagnosis.TextForm.Spacing;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * The forms that are worth trying on a certificate. Ways to write numbers or strings that make no difference to what is in it
 * are left out before they are multiplied with all else.
 */
final class TextForms {
    private TextForms() {}

    /** Each of them once; the canonical one is among them. */
    static List<TextForm> of(JsonValue.Members certificate, Set<Scope> scopes) {
        List<TextForm> all = new ArrayList<>();
        for (Scope scope : scopes) {
            addAll(all, scope, certificate);
        }
        return all;
    }

    private static void addAll(List<TextForm> all, Scope scope, JsonValue.Members certificate) {
        List<NumberForm> numbers = distinct(
                numbers(scope, certificate),
                form -> TextWriter.write(certificate, form(scope, StringForm.ASCII, form)));
        List<StringForm> strings = distinct(
                Arrays.asList(StringForm.values()),
                form -> TextWriter.write(certificate, form(scope, form, TextForm.CANONICAL.numbers())));
        for (Order order : orders(scope)) {
            for (Spacing spacing : Spacing.values()) {
                for (End end : End.values()) {
                    for (StringForm string : strings) {
                        for (NumberForm number : numbers) {
                            all.add(new TextForm(scope, order, spacing, end, string, number));
                        }
                    }
                }
            }
        }
    }

    private static TextForm form(Scope scope, StringForm strings, NumberForm numbers) {
        return new TextForm(scope, Order.SORTED, Spacing.NONE, End.NOTHING, strings, numbers);
    }

    /** Whoever signs all fields signs what a program makes of them, and the format's table lists more than are there. */
    private static List<Order> orders(Scope scope) {
        return switch (scope) {
            case SIGNED_FIELDS -> Arrays.asList(Order.values());
            case ALL_BUT_SIG -> List.of(Order.SORTED, Order.DOCUMENT, Order.IGNORING_CASE);
        };
    }

    /** The likelier ones first; for all fields only those that leave the numbers of decimals alone. */
    private static List<NumberForm> numbers(Scope scope, JsonValue.Members certificate) {
        List<NumberForm> all = NumberForm.all(isRounded(certificate) ? Rounding.PROPER : Rounding.NONE);
        return switch (scope) {
            case SIGNED_FIELDS -> all;
            case ALL_BUT_SIG ->
                all.stream().filter(NumberForm::isRoundedProperlyOrNot).toList();
        };
    }

    /** Whether rounding changes none of its reals. */
    private static boolean isRounded(JsonValue.Members certificate) {
        return TextWriter.reals(certificate).stream()
                .mapToDouble(real -> Double.parseDouble(real.literal()))
                .allMatch(x -> Rounding.PROPER.apply(x) == x);
    }

    /** The first of those that are written the same. */
    private static <F> List<F> distinct(List<F> forms, Function<F, byte[]> write) {
        Set<ByteBuffer> known = new HashSet<>();
        return forms.stream()
                .filter(form -> known.add(ByteBuffer.wrap(write.apply(form))))
                .toList();
    }
}
