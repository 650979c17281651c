// SPDX-License-Identifier: Apache-2.0
package dev.flk.certificate;

import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/** The known fields of a certificate, in the order in which the first of several problems is named. */
enum Field {
    PCS_ID("pcs_id", Part.SIGNED),
    SCHEMA("schema", Part.CONTENT),
    VERSION("version", Part.CONTENT),
    SHARD_ID("shard_id", Part.SIGNED),
    EPOCH("epoch", Part.SIGNED),
    ATTEMPT("attempt", Part.ASIDE),
    SENT_AT("sent_at", Part.ASIDE),
    SEED("seed", Part.CONTENT),
    SCALES("scales", Part.CONTENT),
    N_J("N_j", Part.CONTENT),
    COH_STAR("coh_star", Part.SIGNED),
    D_HAT("D_hat", Part.SIGNED),
    R("r", Part.SIGNED),
    BUDGET("budget", Part.SIGNED),
    V_STAR("v_star", Part.ASIDE),
    REGIME("regime", Part.CONTENT),
    MERKLE_ROOT("merkle_root", Part.SIGNED),
    SIG("sig", Part.SIGNATURE),
    FT("ft", Part.ASIDE);

    /** Where the first phase of reading puts a field. */
    enum Part {
        /** Typed at once: the signature covers it. */
        SIGNED,
        /** The signature. */
        SIGNATURE,
        /** Goes into the second line of the content digest as it is. */
        CONTENT,
        /** No content, or content in another spelling ({@code v_star}). */
        ASIDE
    }

    /** Those that the signature covers. */
    static final List<Field> SIGNED =
            Arrays.stream(values()).filter(field -> field.part == Part.SIGNED).toList();

    private static final Map<String, Field> BY_NAME = new HashMap<>(
            Arrays.stream(values()).collect(Collectors.toMap(field -> field.wireName, Function.identity())));

    final String wireName;
    final Part part;

    Field(String wireName, Part part) {
        this.wireName = wireName;
        this.part = part;
    }

    /** The field of that name; null if it is unknown. */
    static @Nullable Field named(String wireName) {
        return BY_NAME.get(wireName);
    }

    @Override
    public String toString() {
        return wireName;
    }
}
