// SPDX-License-Identifier: Apache-2.0
package dev.flk.state;

import java.util.Random;

/**
 * A generator of random JSON values.
 *
 * @param spaced the value with random white space between its tokens
 * @param plain the same value without white space between its tokens
 */
record RandomValues(Random random, StringBuilder spaced, StringBuilder plain) {
    private static final String[] STRINGS = {
        "\"\"", "\"a b\"", "\"\\u0000\"", "\"\\uDC00\"", "\"\\\\\\\"\"", "\"\uD83D\uDE00\"", "\"{[,:]}\"", "\"\\n\\/\""
    };

    void value(int depth) {
        space();
        switch (random.nextInt(depth < 6 ? 8 : 5)) {
            case 0 -> put(random.nextBoolean() ? "true" : "null");
            case 1 -> put(STRINGS[random.nextInt(STRINGS.length)]);
            case 2 -> put((random.nextBoolean() ? "-" : "") + random.nextInt(1_000) + "." + random.nextInt(10) + "0");
            case 3 -> put(random.nextInt(10) + "E" + (random.nextBoolean() ? "+" : "-") + "0" + random.nextInt(400));
            case 4 -> put("9".repeat(1 + random.nextInt(400)));
            case 5, 6 -> list(depth, "[", "]", false);
            default -> list(depth, "{", "}", true);
        }
        space();
    }

    private void list(int depth, String open, String close, boolean named) {
        put(open);
        int count = random.nextInt(4);
        for (int i = 0; i < count; i++) {
            if (i > 0) {
                put(",");
            }
            if (named) {
                space();
                put(STRINGS[random.nextInt(STRINGS.length)]);
                space();
                put(":");
            }
            value(depth + 1);
        }
        space();
        put(close);
    }

    private void put(String token) {
        spaced.append(token);
        plain.append(token);
    }

    private void space() {
        if (random.nextBoolean()) {
            spaced.append(" \t\n\r".charAt(random.nextInt(4)));
        }
    }

    /** Returns a value with random white space; about one in 50 has the maximum nesting depth. */
    static String text(Random random) {
        StringBuilder spaced = new StringBuilder();
        if (random.nextInt(50) == 0) {
            return "[".repeat(128) + "]".repeat(128);
        }
        new RandomValues(random, spaced, new StringBuilder()).value(0);
        return spaced.toString();
    }
}
