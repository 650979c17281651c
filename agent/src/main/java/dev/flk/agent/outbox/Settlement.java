// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.outbox;

/** How an entry was settled, as the log keeps it. */
public enum Settlement {
    /** Answered 200: accepted. */
    ACCEPTED("200", 1),
    /** Answered 202: escalated, or rejected by verification. */
    ESCALATED("202", 2),
    /** It is among the dead letters. */
    DEAD("dead", 3),
    /** The disk has lost it. */
    LOST("lost", 4);

    private final String word;
    private final byte code;

    Settlement(String word, int code) {
        this.word = word;
        this.code = (byte) code;
    }

    /** A small number, never 0, for where memory counts. */
    byte code() {
        return code;
    }

    static Settlement ofCode(int code) {
        for (Settlement fate : values()) {
            if (fate.code == code) {
                return fate;
            }
        }
        throw new IllegalArgumentException("no settlement has the code " + code);
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
        for (Settlement fate : values()) {
            if (fate.word.equals(word)) {
                return fate;
            }
        }
        throw new IllegalArgumentException("no such settlement: " + word);
    }
}
