// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.testing;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.util.Arrays;
import java.util.List;

/**
 * Damage to the files of a {@link SimulatedDisk} as a fuzzer chooses it: bits that flipped, files that were cut, bytes that were put in,
 * doubled, overwritten, swapped, or became zeros.
 */
public final class FuzzedDamage {
    private static final int MOST_BYTES_PUT_IN = 64;

    private final FuzzedDataProvider data;
    private final SimulatedDisk disk;
    private final String file;

    /** Of this file. */
    public FuzzedDamage(FuzzedDataProvider data, SimulatedDisk disk, String file) {
        this.data = data;
        this.disk = disk;
        this.file = file;
    }

    /** Damages one of these files, once; returns the first byte of it that may be another one now. */
    public static Place damageOne(FuzzedDataProvider data, SimulatedDisk disk, List<String> files) {
        String file = data.pickValue(files);
        return new Place(file, new FuzzedDamage(data, disk, file).damage());
    }

    /** Where damage begins. */
    public record Place(String file, int offset) {}

    private int damage() {
        byte[] whole = disk.content(file);
        int at = data.consumeInt(0, whole.length);
        int length = Math.min(data.consumeInt(1, 6000), whole.length - at);
        int kind = data.consumeInt(0, 6);
        if (at == whole.length && kind != 2) {
            return at;
        }
        byte[] damaged = switch (kind) {
            case 0 -> flipped(whole, at, data.consumeInt(0, 7));
            case 1 -> Arrays.copyOf(whole, at);
            case 2 -> spliced(whole, at, at, data.consumeBytes(MOST_BYTES_PUT_IN));
            case 3 -> spliced(whole, at, at, Arrays.copyOfRange(whole, at, at + length));
            case 4 -> spliced(whole, at, at + length, new byte[0]);
            case 5 -> spliced(whole, at, at + length, new byte[length]);
            default -> {
                int from = data.consumeInt(0, whole.length - length);
                yield spliced(whole, at, at + length, Arrays.copyOfRange(whole, from, from + length));
            }
        };
        disk.put(file, damaged);
        int first = Arrays.mismatch(whole, damaged);
        return first < 0 ? whole.length : first;
    }

    private static byte[] flipped(byte[] whole, int at, int bit) {
        byte[] damaged = whole.clone();
        damaged[at] ^= (byte) (1 << bit);
        return damaged;
    }

    private static byte[] spliced(byte[] whole, int from, int to, byte[] between) {
        byte[] damaged = Arrays.copyOf(whole, from + between.length + whole.length - to);
        System.arraycopy(between, 0, damaged, from, between.length);
        System.arraycopy(whole, to, damaged, from + between.length, whole.length - to);
        return damaged;
    }
}
