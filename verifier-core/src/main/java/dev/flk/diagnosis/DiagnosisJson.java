// SPDX-License-Identifier: Apache-2.0
package dev.flk.diagnosis;

import dev.flk.canonical.CanonicalString;
import dev.flk.diagnosis.Diagnosis.Tried;
import java.nio.charset.StandardCharsets;
import java.util.stream.Collectors;

/**
 * A diagnosis for programs: one JSON object in ASCII. {@code verdict} is {@code good}, {@code not checked}, {@code missing},
 * {@code unreadable}, {@code explained} or {@code unexplained}; what else is there depends on it.
 */
public final class DiagnosisJson {
    private DiagnosisJson() {}

    /** The object, without a line end. */
    public static String of(Diagnosis diagnosis) {
        return diagnosis.match(new Diagnosis.Cases<>() {
            @Override
            public String good(Diagnosis.Good good) {
                return object("good", text("key_id", good.key()));
            }

            @Override
            public String notChecked(Diagnosis.NotChecked notChecked) {
                return object("not checked", "");
            }

            @Override
            public String missing(Diagnosis.Missing missing) {
                return object("missing", "");
            }

            @Override
            public String unreadable(Diagnosis.Unreadable unreadable) {
                return object("unreadable", text("why", unreadable.why()));
            }

            @Override
            public String explained(Diagnosis.Explained explained) {
                String differences = explained.differences().stream()
                        .map(DiagnosisJson::of)
                        .collect(Collectors.joining(",", ",\"differences\":[", "]"));
                String key = explained.key().map(id -> text("key_id", id)).orElse("");
                String keyName = explained.keyName() == null ? "" : text("key_name", explained.keyName());
                return object(
                        "explained",
                        differences
                                + key
                                + keyName
                                + bytes("should_be_signed", explained.canonical())
                                + bytes("was_signed", explained.signed())
                                + of(explained.tried()));
            }

            @Override
            public String unexplained(Diagnosis.Unexplained unexplained) {
                String hint = unexplained.hint().isEmpty() ? "" : text("hint", unexplained.hint());
                return object(
                        "unexplained",
                        hint + bytes("should_be_signed", unexplained.canonical()) + of(unexplained.tried()));
            }
        });
    }

    private static String of(Difference difference) {
        return "{\"cause\":" + CanonicalString.quote(difference.cause().label())
                + text("what", difference.what())
                + text("advice", difference.advice()) + "}";
    }

    private static String of(Tried tried) {
        return ",\"combinations\":" + tried.combinations() + ",\"complete\":" + tried.complete();
    }

    private static String object(String verdict, String rest) {
        return "{\"verdict\":" + CanonicalString.quote(verdict) + rest + "}";
    }

    private static String text(String name, String value) {
        return ",\"" + name + "\":" + CanonicalString.quote(value);
    }

    private static String bytes(String name, byte[] utf8) {
        return text(name, new String(utf8, StandardCharsets.UTF_8));
    }
}
