// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** The broken rules of one certificate, of which the first in the order of the fields is told. One thread's own. */
final class Problems {
    /** Null while there is none, as mostly. */
    private @Nullable Map<Field, String> byField;

    /** Notes that {@code field} breaks a rule; the first note of a field stands. */
    void add(Field field, String rule) {
        addWhole(field, field + " " + rule);
    }

    /** Notes a problem of {@code field} in words that are fixed. */
    void addWhole(Field field, String problem) {
        if (byField == null) {
            byField = new EnumMap<>(Field.class);
        }
        byField.putIfAbsent(field, problem);
    }

    boolean has(Field field) {
        return byField != null && byField.containsKey(field);
    }

    /** Throws if anything was noted. */
    void throwFirst() throws MalformedCertificate {
        if (byField == null) {
            return;
        }
        for (String problem : byField.values()) {
            throw new MalformedCertificate(problem);
        }
    }
}
