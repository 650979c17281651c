// SPDX-License-Identifier: Apache-2.0
package dev.flk.wal.testing;

import com.code_intelligence.jazzer.api.FuzzedDataProvider;
import java.util.Arrays;
import java.util.List;

/**
 * Damage to the files of a {@link SimulatedDisk}, chosen by a fuzzer: flipped bits, truncated files, and bytes that are
 * inserted, doubled, removed, zeroed or overwritten.
 */
public final class FuzzedDamage {
    private static final int MOST_BYTES_PUT_IN = 64;

    private final FuzzedDataProvider data;
    private final SimulatedDisk disk;
    private final String file;

    public FuzzedDamage(FuzzedDataProvider data, SimulatedDisk disk, String file) {
        this.data = data;
        this.disk = disk;
        this.file = file;
    }

    /** Damages one of these files once and returns the position of the first changed byte. */
    public static Place damageOne(FuzzedDataProvider data, SimulatedDisk disk, List<String> files) {
        String file = data.pickValue(files);
        return new Place(file, new FuzzedDamage(data, disk, file).damage());
    }

    /** The file and the offset at which damage begins. */
    public record Place(String file, int offset) {}

    private int damage() {
        byte[] complete = disk.content(file);
        int at = data.consumeInt(0, complete.length);
        int length = Math.min(data.consumeInt(1, 6000), complete.length - at);
        int kind = data.consumeInt(0, 6);
        if (at == complete.length && kind != 2) {
            return at;
        }
        byte[] damaged = switch (kind) {
            case 0 -> flipped(complete, at, data.consumeInt(0, 7));
            case 1 -> Arrays.copyOf(complete, at);
            case 2 -> spliced(complete, at, at, data.consumeBytes(MOST_BYTES_PUT_IN));
            case 3 -> spliced(complete, at, at, Arrays.copyOfRange(complete, at, at + length));
            case 4 -> spliced(complete, at, at + length, new byte[0]);
            case 5 -> spliced(complete, at, at + length, new byte[length]);
            default -> {
                int from = data.consumeInt(0, complete.length - length);
                yield spliced(complete, at, at + length, Arrays.copyOfRange(complete, from, from + length));
            }
        };
        disk.put(file, damaged);
        int first = Arrays.mismatch(complete, damaged);
        return first < 0 ? complete.length : first;
    }

    private static byte[] flipped(byte[] complete, int at, int bit) {
        byte[] damaged = complete.clone();
        damaged[at] ^= (byte) (1 << bit);
        return damaged;
    }

    private static byte[] spliced(byte[] complete, int from, int to, byte[] between) {
        byte[] damaged = Arrays.copyOf(complete, from + between.length + complete.length - to);
        System.arraycopy(between, 0, damaged, from, between.length);
        System.arraycopy(complete, to, damaged, from + between.length, complete.length - to);
        return damaged;
    }
}
