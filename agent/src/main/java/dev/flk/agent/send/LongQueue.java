// SPDX-License-Identifier: Apache-2.0
package dev.flk.agent.send;

/** Numbers in the order they came, eight bytes each: there may be a million of them. One thread. */
final class LongQueue {
    private long[] numbers = new long[16];
    private int head;
    private int size;

    void add(long number) {
        if (size == numbers.length) {
            long[] larger = new long[2 * size];
            for (int i = 0; i < size; i++) {
                larger[i] = numbers[(head + i) % size];
            }
            numbers = larger;
            head = 0;
        }
        numbers[(head + size) % numbers.length] = number;
        size++;
    }

    /** Takes out the oldest; there must be one. */
    long remove() {
        long number = numbers[head];
        head = (head + 1) % numbers.length;
        size--;
        return number;
    }

    boolean isEmpty() {
        return size == 0;
    }

    int size() {
        return size;
    }
}
