// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.certificate.JsonValue;
import dev.flk.certificate.JsonValue.Member;
import dev.flk.diagnosis.TextForm.End;
import dev.flk.diagnosis.TextForm.Order;
import dev.flk.diagnosis.TextForm.Scope;
import dev.flk.diagnosis.TextForm.Spacing;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Set;

/** Writes a certificate the way a signer may have written it. */
final class TextWriter {
    /** In the order of the format's table. */
    private static final List<String> SIGNED =
            List.of("pcs_id", "shard_id", "epoch", "coh_star", "D_hat", "r", "budget", "merkle_root");

    private static final Set<String> REALS = Set.of("D_hat", "budget", "coh_star", "r");

    private final TextForm form;
    private final StringBuilder out = new StringBuilder(512);

    private TextWriter(TextForm form) {
        this.form = form;
    }

    /** {@code certificate} in {@code form}, in UTF-8. */
    static byte[] write(JsonValue.Members certificate, TextForm form) {
        TextWriter writer = new TextWriter(form);
        List<Member> members = form.scope() == Scope.SIGNED_FIELDS
                ? writer.signedFields(certificate)
                : certificate.members().stream()
                        .filter(member -> !member.name().equals("sig"))
                        .toList();
        writer.object(members, 1);
        if (form.end() == End.LINE_FEED) {
            writer.out.append('\n');
        }
        return writer.out.toString().getBytes(StandardCharsets.UTF_8);
    }

    /** The four reals that are signed. */
    static List<JsonValue.Numeral> reals(JsonValue.Members certificate) {
        return certificate.members().stream()
                .filter(member -> REALS.contains(member.name()))
                .map(member -> (JsonValue.Numeral) member.value())
                .toList();
    }

    private List<Member> signedFields(JsonValue.Members certificate) {
        List<Member> fields = new ArrayList<>();
        for (Member member : certificate.members()) {
            if (SIGNED.contains(member.name())) {
                fields.add(member);
            }
        }
        if (form.order() == Order.FORMAT) {
            fields.sort(Comparator.comparingInt(member -> SIGNED.indexOf(member.name())));
        }
        return fields;
    }

    private void object(List<Member> members, int depth) {
        out.append('{');
        String separator = "";
        for (Member member : inOrder(members)) {
            out.append(separator);
            lineAt(depth);
            form.strings().appendQuoted(out, member.name());
            out.append(form.spacing() == Spacing.NONE ? ":" : ": ");
            if (depth == 1 && REALS.contains(member.name()) && member.value() instanceof JsonValue.Numeral real) {
                out.append(form.numbers().real(real));
            } else {
                value(member.value(), depth + 1);
            }
            separator = comma();
        }
        if (!members.isEmpty()) {
            lineAt(depth - 1);
        }
        out.append('}');
    }

    private List<Member> inOrder(List<Member> members) {
        return switch (form.order()) {
            case DOCUMENT, FORMAT -> members;
            case SORTED ->
                members.stream().sorted(Comparator.comparing(Member::name)).toList();
            case IGNORING_CASE ->
                members.stream()
                        .sorted(Comparator.comparing(member -> member.name().toLowerCase(Locale.ROOT)))
                        .toList();
        };
    }

    private void value(JsonValue value, int depth) {
        if (value instanceof JsonValue.Members object) {
            object(object.members(), depth);
        } else if (value instanceof JsonValue.Array array) {
            array(array.elements(), depth);
        } else if (value instanceof JsonValue.Text text) {
            form.strings().appendQuoted(out, text.value());
        } else if (value instanceof JsonValue.Numeral number) {
            out.append(form.numbers().other(number));
        } else if (value instanceof JsonValue.Word word) {
            out.append(word.word());
        }
    }

    private void array(List<JsonValue> elements, int depth) {
        out.append('[');
        String separator = "";
        for (JsonValue element : elements) {
            out.append(separator);
            lineAt(depth);
            value(element, depth + 1);
            separator = comma();
        }
        if (!elements.isEmpty()) {
            lineAt(depth - 1);
        }
        out.append(']');
    }

    private String comma() {
        return form.spacing() == Spacing.SPACES ? ", " : ",";
    }

    private void lineAt(int depth) {
        if (form.spacing() == Spacing.INDENTED) {
            out.append('\n').append("  ".repeat(depth));
        }
    }
}
