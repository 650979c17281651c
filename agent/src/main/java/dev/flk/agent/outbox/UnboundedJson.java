// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.StreamReadConstraints;

/**
 * A JSON factory without limits on the length of tokens, for accepted certificates and lines that the agent wrote. The
 * caller bounds the input.
 */
public final class UnboundedJson {
    /** The factory, which is safe for several threads. */
    public static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNumberLength(Integer.MAX_VALUE)
                    .maxStringLength(Integer.MAX_VALUE)
                    .maxNameLength(Integer.MAX_VALUE)
                    .build())
            .disable(JsonFactory.Feature.INTERN_FIELD_NAMES)
            .build();

    private UnboundedJson() {}
}
