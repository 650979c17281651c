// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.canonical.CanonicalDouble;
import dev.flk.canonical.CanonicalString;
import dev.flk.certificate.JsonValue;
import dev.flk.certificate.JsonValue.Member;
import java.math.BigDecimal;
import java.math.RoundingMode;
import java.nio.charset.StandardCharsets;
import java.util.Comparator;
import java.util.List;
import java.util.Set;

/** The text that a signer with certain mistakes signs; the canonical form if none of the mistakes changes the text. */
final class SignedText {
    private static final Set<String> SIGNED =
            Set.of("pcs_id", "shard_id", "epoch", "coh_star", "D_hat", "r", "budget", "merkle_root");
    private static final Set<String> REALS = Set.of("D_hat", "budget", "coh_star", "r");

    private final Set<Mistake> mistakes;
    private final StringBuilder out = new StringBuilder(512);

    private SignedText(Set<Mistake> mistakes) {
        this.mistakes = mistakes;
    }

    static byte[] write(JsonValue.Members certificate, Set<Mistake> mistakes) {
        SignedText text = new SignedText(mistakes);
        boolean isWhole = mistakes.contains(Mistake.WHOLE_CERTIFICATE);
        List<Member> members = certificate.members().stream()
                .filter(member -> isWhole ? !member.name().equals("sig") : SIGNED.contains(member.name()))
                .toList();
        text.object(members, true);
        if (mistakes.contains(Mistake.LINE_FEED)) {
            text.out.append('\n');
        }
        return text.out.toString().getBytes(StandardCharsets.UTF_8);
    }

    private void object(List<Member> members, boolean isTop) {
        List<Member> inOrder = mistakes.contains(Mistake.FIELD_ORDER)
                ? members
                : members.stream().sorted(Comparator.comparing(Member::name)).toList();
        out.append('{');
        String comma = "";
        for (Member member : inOrder) {
            out.append(comma);
            comma = comma();
            string(member.name());
            out.append(mistakes.contains(Mistake.SPACES) ? ": " : ":");
            if (isTop && REALS.contains(member.name()) && member.value() instanceof JsonValue.Numeral real) {
                out.append(real(real));
            } else {
                value(member.value());
            }
        }
        out.append('}');
    }

    private void value(JsonValue value) {
        if (value instanceof JsonValue.Members object) {
            object(object.members(), false);
        } else if (value instanceof JsonValue.Array array) {
            out.append('[');
            String comma = "";
            for (JsonValue element : array.elements()) {
                out.append(comma);
                comma = comma();
                value(element);
            }
            out.append(']');
        } else if (value instanceof JsonValue.Text text) {
            string(text.value());
        } else if (value instanceof JsonValue.Numeral number) {
            double x = Double.parseDouble(number.literal());
            out.append(number.isInteger() || !Double.isFinite(x) ? number.literal() : printed(x));
        } else if (value instanceof JsonValue.Literal literal) {
            out.append(literal.name());
        }
    }

    private String comma() {
        return mistakes.contains(Mistake.SPACES) ? ", " : ",";
    }

    private void string(String text) {
        if (!mistakes.contains(Mistake.UNESCAPED)) {
            CanonicalString.appendQuoted(out, text);
            return;
        }
        out.append('"');
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            if (c < ' ' || c == '"' || c == '\\') {
                CanonicalString.appendEscaped(out, c);
            } else {
                out.append(c);
            }
        }
        out.append('"');
    }

    private String real(JsonValue.Numeral number) {
        double x = Double.parseDouble(number.literal());
        double read = number.isInteger() && x == 0 ? 0.0 : x;
        if (mistakes.contains(Mistake.FIXED_DECIMALS)) {
            return new BigDecimal(read).setScale(9, RoundingMode.HALF_EVEN).toPlainString();
        }
        return printed(mistakes.contains(Mistake.NOT_ROUNDED) ? read : CanonicalDouble.round9(read));
    }

    private String printed(double x) {
        if (!mistakes.contains(Mistake.JAVASCRIPT_NUMBERS)) {
            return CanonicalDouble.print(x);
        }
        if (x == 0) {
            return "0";
        }
        // ECMA-262, Number::toString: numbers from 1e-6 to below 1e21 are plain; others have an exponent without a
        // leading zero
        BigDecimal shortest = new BigDecimal(CanonicalDouble.print(x)).stripTrailingZeros();
        int exponent = shortest.precision() - shortest.scale() - 1;
        if (exponent >= -7 + 1 && exponent < 21) {
            return shortest.toPlainString();
        }
        String digits = shortest.unscaledValue().abs().toString();
        return (x < 0 ? "-" : "")
                + digits.charAt(0)
                + (digits.length() > 1 ? "." + digits.substring(1) : "")
                + "e"
                + (exponent < 0 ? "-" : "+")
                + Math.abs(exponent);
    }
}
