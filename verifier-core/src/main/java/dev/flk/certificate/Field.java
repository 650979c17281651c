// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The known fields of a certificate, in the order in which the first of several problems is named. */
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

    /** Those that the signature covers. */
    static final Set<Field> SIGNED =
            Collections.unmodifiableSet(EnumSet.of(PCS_ID, SHARD_ID, EPOCH, COH_STAR, D_HAT, R, BUDGET, MERKLE_ROOT));

    /** Those of the others that must be there. */
    static final Set<Field> REQUIRED =
            Collections.unmodifiableSet(EnumSet.of(SCHEMA, VERSION, SENT_AT, SCALES, N_J, REGIME));

    private static final Map<String, Field> BY_NAME = new HashMap<>(
            Arrays.stream(values()).collect(Collectors.toMap(field -> field.wireName, Function.identity())));

    final String wireName;

    Field(String wireName) {
        this.wireName = wireName;
    }

    /** The field of that name; null if it is unknown. */
    static @Nullable Field named(String wireName) {
        return BY_NAME.get(wireName);
    }

    @Override
    public String toString() {
        return wireName;
    }

    /** The broken rules of one certificate; the first in the order of the fields is reported. One thread's own. */
    static final class Problems {
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

        /** Adds those of fields that have none yet. */
        void addAll(Problems others) {
            if (others.byField != null) {
                others.byField.forEach(this::addWhole);
            }
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
}
