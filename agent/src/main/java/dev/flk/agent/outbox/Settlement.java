// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/** How an entry was settled, as the log keeps it. */
public enum Settlement {
    /** Answered 200: accepted. */
    ACCEPTED("200"),
    /** Answered 202: escalated, or rejected by verification. */
    ESCALATED("202"),
    /** It is among the dead letters. */
    DEAD("dead"),
    /** The disk has lost it. */
    LOST("lost");

    private final String word;

    Settlement(String word) {
        this.word = word;
    }

    /** As it stands in the log. */
    public String word() {
        return word;
    }

    /** Of a certificate that was answered with an outcome. */
    public static Settlement ofStatus(int status) {
        return status == 200 ? ACCEPTED : ESCALATED;
    }

    static Settlement ofWord(String word) {
        for (Settlement how : values()) {
            if (how.word.equals(word)) {
                return how;
            }
        }
        throw new IllegalArgumentException("no such settlement: " + word);
    }
}
