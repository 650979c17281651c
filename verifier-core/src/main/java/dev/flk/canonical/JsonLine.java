// SPDX-License-Identifier: Apache-2.0
package dev.flk.canonical;

/** One JSON object on one line, in ASCII; members in the order of the calls. For one thread. */
public final class JsonLine {
    private final StringBuilder out = new StringBuilder(256);

    /** A string. */
    public JsonLine text(String name, String value) {
        member(name);
        CanonicalString.appendQuoted(out, value);
        return this;
    }

    /** A whole number. */
    public JsonLine integer(String name, long value) {
        member(name);
        out.append(value);
        return this;
    }

    /** A value that is JSON already. */
    public JsonLine json(String name, String value) {
        member(name);
        out.append(value);
        return this;
    }

    /** {@code true} or {@code false}. */
    public JsonLine truth(String name, boolean value) {
        member(name);
        out.append(value);
        return this;
    }

    /** The whole object and a line end; nothing can be added after it. */
    public String end() {
        return out.append("}\n").toString();
    }

    private void member(String name) {
        out.append(out.length() == 0 ? '{' : ',').append('"').append(name).append("\":");
    }
}
