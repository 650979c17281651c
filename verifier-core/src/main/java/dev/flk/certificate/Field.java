// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The known fields of a certificate. If {@link CertificateReader#parse} or the later {@link
 * CertificateReader.ParsedCertificate#check} finds several fields that break a rule, the first in this order is
 * reported.
 */
enum Field {
    PCS_ID("pcs_id"),
    SCHEMA("schema"),
    VERSION("version"),
    SHARD_ID("shard_id"),
    EPOCH("epoch"),
    ATTEMPT("attempt"),
    SENT_AT("sent_at"),
    SEED("seed"),
    SCALES("scales"),
    N_J("N_j"),
    COH_STAR("coh_star"),
    D_HAT("D_hat"),
    R("r"),
    BUDGET("budget"),
    V_STAR("v_star"),
    REGIME("regime"),
    MERKLE_ROOT("merkle_root"),
    SIG("sig"),
    FT("ft");

    /**
     * The fields that the signature covers. Must never be changed. It is not an unmodifiable set, because such a set
     * would be slower.
     */
    static final Set<Field> SIGNED = EnumSet.of(PCS_ID, SHARD_ID, EPOCH, COH_STAR, D_HAT, R, BUDGET, MERKLE_ROOT);

    /** The unsigned fields that a certificate must have. Must never be changed, like {@link #SIGNED}. */
    static final Set<Field> REQUIRED = EnumSet.of(SCHEMA, VERSION, SENT_AT, SCALES, N_J, REGIME);

    private static final Map<String, Field> BY_NAME = new HashMap<>(
            Arrays.stream(values()).collect(Collectors.toMap(field -> field.wireName, Function.identity())));

    private static final int MAX_LENGTH = Arrays.stream(values())
            .mapToInt(field -> field.wireName.length())
            .max()
            .orElseThrow();

    /** The fields by the length of their names. */
    private static final List<List<Field>> BY_LENGTH = IntStream.rangeClosed(0, MAX_LENGTH)
            .mapToObj(length -> Arrays.stream(values())
                    .filter(field -> field.wireName.length() == length)
                    .toList())
            .toList();

    final String wireName;
    private final long end;

    Field(String wireName) {
        this.wireName = wireName;
        this.end = lastEight(wireName.getBytes(StandardCharsets.US_ASCII), 0, wireName.length());
    }

    /** Returns the field of that name; null if the name is unknown. */
    static @Nullable Field named(String wireName) {
        return BY_NAME.get(wireName);
    }

    /**
     * Returns the field whose name consists of the bytes from index {@code from}, inclusive, to index {@code to},
     * exclusive; null if the name is unknown.
     */
    static @Nullable Field named(byte[] utf8, int from, int to) {
        int length = to - from;
        if (length >= BY_LENGTH.size()) {
            return null;
        }
        long end = lastEight(utf8, from, to);
        for (Field field : BY_LENGTH.get(length)) {
            if (field.end == end && (length <= Long.BYTES || field.isNamed(utf8, from))) {
                return field;
            }
        }
        return null;
    }

    private boolean isNamed(byte[] utf8, int from) {
        for (int i = 0; i < wireName.length(); i++) {
            if (utf8[from + i] != wireName.charAt(i)) {
                return false;
            }
        }
        return true;
    }

    /** Returns the last eight bytes of a name, or all of a shorter name, as a number. */
    private static long lastEight(byte[] utf8, int from, int to) {
        long end = 0;
        for (int i = from; i < to; i++) {
            end = (end << Byte.SIZE) | (utf8[i] & 0xff);
        }
        return end;
    }

    @Override
    public String toString() {
        return wireName;
    }

    /**
     * The problems found in one certificate. Only the first one, in the order of the fields, is reported. Not
     * thread-safe.
     */
    static final class Problems {
        /** The problems by field; null while no problem was found, which is the usual case. */
        private @Nullable Map<Field, String> byField;

        /** Records that {@code field} breaks a rule; only the first problem of a field is kept. */
        void add(Field field, String rule) {
            addVerbatim(field, field + " " + rule);
        }

        /** Adds a problem of {@code field} whose message does not begin with the name of the field. */
        void addVerbatim(Field field, String problem) {
            if (byField == null) {
                byField = new EnumMap<>(Field.class);
            }
            byField.putIfAbsent(field, problem);
        }

        /** Adds a problem for each required field that was not seen. */
        void addMissing(Set<Field> required, Set<Field> seen) {
            if (!seen.containsAll(required)) {
                required.stream().filter(field -> !seen.contains(field)).forEach(field -> add(field, "is missing"));
            }
        }

        boolean has(Field field) {
            return byField != null && byField.containsKey(field);
        }

        /**
         * Adds the problems in {@code others}, except problems of fields that already have a problem in this object.
         */
        void addAll(Problems others) {
            if (others.byField != null) {
                others.byField.forEach(this::addVerbatim);
            }
        }

        /** Throws the first problem, if there is one. */
        void throwFirst() throws MalformedCertificate {
            if (byField == null) {
                return;
            }
            for (String problem : byField.values()) {
                throw new MalformedCertificate(problem);
            }
        }
    }
}
