// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.config;

import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;

/** Every name the agent understands, in the environment and in the properties file; each also as {@code NAME_FILE}. */
enum Setting {
    ENDPOINT,
    TLS_CA,
    TLS_CERT,
    TLS_KEY,
    PCS_SIGN_ALG,
    PCS_HMAC_KEY,
    PCS_ED25519_PRIV_B64,
    SHARD_ID,
    OUTBOX_PATH,
    OUTBOX_MAX_BYTES,
    OUTBOX_MIN_FREE_BYTES,
    DLQ_PATH,
    SPOOL_DIR,
    CONTROL_SOCKET,
    INTAKE_SOCKET,
    INTAKE_PORT,
    BASE_DELAY,
    MAX_DELAY,
    MAX_ATTEMPTS,
    MAX_AGE,
    REQUEST_TIMEOUT,
    MAX_IN_FLIGHT,
    BATCH_SIZE,
    METRICS_PORT,
    LOG_LEVEL,
    LOG_FORMAT;

    static final String FILE_SUFFIX = "_FILE";

    /** The names, with and without the suffix. */
    static Set<String> names() {
        return Arrays.stream(values())
                .flatMap(s -> Arrays.stream(new String[] {s.name(), s.name() + FILE_SUFFIX}))
                .collect(Collectors.toSet());
    }
}
