"""Triton kernels of one step. Every sum has a fixed order: the same run gives the same bytes.

Images are `(N, 3, H, W)` float32, contiguous; views `(V, H, W, 3)` in the network's precision, T
after another of each image. `drawn` `(V, 12)` is each view's matrix (affine.inverse_matrices) and
variation (views.variations_of), `colours` is fill, mean and 1 / standard deviation. What these
kernels compute is said, and tested against, in protocore/generation/card/plain.py.
"""

from __future__ import annotations

import triton
import triton.language as tl

ZEROS, EDGE, REFLECT = 0, 1, 2  # what a view shows outside the image


@triton.jit
def _source(matrix, u, v, width, height):
    """Where in the image, in pixels, the output pixel (u, v) looks; as F.grid_sample has it."""
    x = (2 * u.to(tl.float32) + 1) / width - 1
    y = (2 * v.to(tl.float32) + 1) / height - 1
    source_x = tl.load(matrix) * x + (tl.load(matrix + 1) * y + tl.load(matrix + 2))
    source_y = tl.load(matrix + 3) * x + (tl.load(matrix + 4) * y + tl.load(matrix + 5))
    return ((source_x + 1) * width - 1) / 2, ((source_y + 1) * height - 1) / 2


@triton.jit
def _folded(place, size, FOLD: tl.constexpr):
    """A place outside the image brought back inside."""
    if FOLD == 2:
        distance = tl.abs(place + 0.5)
        turns = tl.floor(distance / size)
        rest = distance - turns * size
        odd = turns - 2 * tl.floor(turns / 2)
        place = tl.where(odd > 0.5, size - rest, rest) - 0.5
    if FOLD > 0:
        place = tl.minimum(tl.maximum(place, 0.0), size - 1.0)
    return place


@triton.jit
def _blend(base, fill, width, right_share, low_share, has_a, has_b, has_c, has_d):
    """Bilinear mixture of four neighbours, `fill` where there is none."""
    a = tl.where(has_a, tl.load(base, mask=has_a, other=0.0) - fill, 0.0)
    b = tl.where(has_b, tl.load(base + 1, mask=has_b, other=0.0) - fill, 0.0)
    c = tl.where(has_c, tl.load(base + width, mask=has_c, other=0.0) - fill, 0.0)
    d = tl.where(has_d, tl.load(base + width + 1, mask=has_d, other=0.0) - fill, 0.0)
    upper = a * (1 - right_share) + b * right_share
    lower = c * (1 - right_share) + d * right_share
    return upper * (1 - low_share) + lower * low_share + fill


@triton.jit
def views_kernel(
    images, drawn, colours, pattern, views, count, transforms, height, width,
    FOLD: tl.constexpr, VARIES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """Each view's pixels, normalised: grid (V, tiles)."""
    view = tl.program_id(0)
    matrix = drawn + view * 12
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < height * width
    image = tl.minimum(view // transforms, count - 1).to(tl.int64)  # padding repeats the last
    x, y = _source(matrix, pixel % width, pixel // width, width, height)
    x, y = _folded(x, width, FOLD), _folded(y, height, FOLD)
    left, top = tl.floor(x), tl.floor(y)
    right_share, low_share = x - left, y - top
    column, row = left.to(tl.int32), top.to(tl.int32)
    has_left = inside & (column >= 0) & (column < width)
    has_right = inside & (column >= -1) & (column < width - 1)
    has_top, has_low = (row >= 0) & (row < height), (row >= -1) & (row < height - 1)
    at = row * width + column
    out = views + (view.to(tl.int64) * height * width + pixel) * 3
    grey_value = tl.zeros((BLOCK,), tl.float32)
    if VARIES:
        contrast, brightness = tl.load(matrix + 6), tl.load(matrix + 7)
        grey, noise = tl.load(matrix + 8), tl.load(matrix + 9)
        down = (tl.load(matrix + 10) * height).to(tl.int32)
        across = (tl.load(matrix + 11) * width).to(tl.int32)
        speck = ((pixel // width + down) % height) * width + (pixel % width + across) % width
        for channel in tl.static_range(3):
            fill = tl.load(colours + channel)
            base = images + (image * 3 + channel) * height * width + at
            value = _blend(base, fill, width, right_share, low_share,
                           has_left & has_top, has_right & has_top,
                           has_left & has_low, has_right & has_low)  # fmt: skip
            grey_value += value / 3
    for channel in tl.static_range(3):
        fill = tl.load(colours + channel)
        base = images + (image * 3 + channel) * height * width + at
        value = _blend(base, fill, width, right_share, low_share,
                       has_left & has_top, has_right & has_top,
                       has_left & has_low, has_right & has_low)  # fmt: skip
        if VARIES:
            value += grey * (grey_value - value)
            value = (value - 0.5) * contrast + 0.5 + brightness
            plane = pattern + channel * height * width
            value += noise * tl.load(plane + speck, mask=inside, other=0.0)
        value = (value - tl.load(colours + 3 + channel)) * tl.load(colours + 6 + channel)
        tl.store(out + channel, value.to(views.dtype.element_ty), mask=inside)


@triton.jit
def adjoint_kernel(
    gradients, drawn, colours, result, where, sizes, transforms, height, width, tiles_across,
    VARIES: tl.constexpr, WHERE: tl.constexpr, TALL: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """Gradient in the views -> gradient in the images, by looking up: grid (N, tiles).

    For each pixel of an image, every output pixel that saw it lies within a small box around the
    place where the map puts it; these are gone through row by row, view by view. `sizes`
    `(N, tiles)` gets the sum of absolute values in each tile, `where` their means over colours
    on top of what is there.
    """
    image, tile = tl.program_id(0).to(tl.int64), tl.program_id(1)
    lane = tl.arange(0, TALL * WIDE)
    row = (tile // tiles_across) * TALL + lane // WIDE
    column = (tile % tiles_across) * WIDE + lane % WIDE
    inside = (row < height) & (column < width)
    x, y = column.to(tl.float32), row.to(tl.float32)
    red = tl.zeros((TALL * WIDE,), tl.float32)
    green = tl.zeros((TALL * WIDE,), tl.float32)
    blue = tl.zeros((TALL * WIDE,), tl.float32)
    for transform in range(transforms):
        view = image * transforms + transform
        matrix = drawn + view * 12
        # The map in pixels, from output to image: xu * u + xv * v + x0, and so for y.
        zero = tl.zeros((1,), tl.int32)
        x0, y0 = _source(matrix, zero, zero, width, height)
        x0, y0 = tl.sum(x0), tl.sum(y0)
        xu, yu = tl.load(matrix), tl.load(matrix + 3) * height / width
        xv, yv = tl.load(matrix + 1) * width / height, tl.load(matrix + 4)
        area = xu * yv - xv * yu
        reach_u = (tl.abs(yv) + tl.abs(xv)) / tl.abs(area)
        reach_v = (tl.abs(yu) + tl.abs(xu)) / tl.abs(area)
        first_u = tl.floor((yv * (x - x0) - xv * (y - y0)) / area - reach_u).to(tl.int32)
        first_v = tl.floor((xu * (y - y0) - yu * (x - x0)) / area - reach_v).to(tl.int32)
        steps_u = (2 * reach_u).to(tl.int32) + 3
        steps_v = (2 * reach_v).to(tl.int32) + 3
        base = gradients + view * height * width * 3
        view_red = tl.zeros((TALL * WIDE,), tl.float32)
        view_green = tl.zeros((TALL * WIDE,), tl.float32)
        view_blue = tl.zeros((TALL * WIDE,), tl.float32)
        for down in range(steps_v):
            v = first_v + down
            for across in range(steps_u):
                u = first_u + across
                source_x, source_y = _source(matrix, u, v, width, height)
                share = tl.maximum(1 - tl.abs(source_x - x), 0.0)
                share *= tl.maximum(1 - tl.abs(source_y - y), 0.0)
                seen = inside & (u >= 0) & (u < width) & (v >= 0) & (v < height) & (share > 0)
                at = base + (v * width + u) * 3
                view_red += share * tl.load(at, mask=seen, other=0.0).to(tl.float32)
                view_green += share * tl.load(at + 1, mask=seen, other=0.0).to(tl.float32)
                view_blue += share * tl.load(at + 2, mask=seen, other=0.0).to(tl.float32)
        view_red *= tl.load(colours + 6)
        view_green *= tl.load(colours + 7)
        view_blue *= tl.load(colours + 8)
        if VARIES:
            contrast, grey = tl.load(matrix + 6), tl.load(matrix + 8)
            middle = grey * (view_red + view_green + view_blue) / 3
            view_red = contrast * (view_red * (1 - grey) + middle)
            view_green = contrast * (view_green * (1 - grey) + middle)
            view_blue = contrast * (view_blue * (1 - grey) + middle)
        red += view_red
        green += view_green
        blue += view_blue
    plane = height * width
    out = result + image * 3 * plane + row * width + column
    tl.store(out, red, mask=inside)
    tl.store(out + plane, green, mask=inside)
    tl.store(out + 2 * plane, blue, mask=inside)
    total = tl.where(inside, tl.abs(red) + tl.abs(green) + tl.abs(blue), 0.0)
    if WHERE:
        there = where + image * plane + row * width + column
        tl.store(there, tl.load(there, mask=inside, other=0.0) + total / 3, mask=inside)
    tl.store(sizes + image * tl.num_programs(1) + tile, tl.sum(total))


@triton.jit
def scatter_kernel(
    gradients, drawn, colours, scales, result, transforms, height, width,
    FOLD: tl.constexpr, VARIES: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """The adjoint where the outside is folded back in: grid (V, tiles).

    A pixel at the edge may be seen by thousands of output pixels, so that looking them up does
    not pay. They are added as whole numbers, `scales` `(N,)` to one, whose sum is the same in
    any order. `result` is int64, like the images.
    """
    view = tl.program_id(0)
    pixel = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside = pixel < height * width
    image = (view // transforms).to(tl.int64)
    matrix = drawn + view * 12
    x, y = _source(matrix, pixel % width, pixel // width, width, height)
    x, y = _folded(x, width, FOLD), _folded(y, height, FOLD)
    left, top = tl.floor(x), tl.floor(y)
    right_share, low_share = x - left, y - top
    column, row = left.to(tl.int32), top.to(tl.int32)
    has_right, has_low = inside & (column < width - 1), inside & (row < height - 1)
    scale = tl.load(scales + image)
    given = gradients + (view.to(tl.int64) * height * width + pixel) * 3
    at = row * width + column
    middle = tl.zeros((BLOCK,), tl.float32)
    contrast, grey = 1.0, 0.0
    if VARIES:
        contrast, grey = tl.load(matrix + 6), tl.load(matrix + 8)
        for channel in tl.static_range(3):
            value = tl.load(given + channel, mask=inside, other=0.0).to(tl.float32)
            middle += value * tl.load(colours + 6 + channel) / 3
    for channel in tl.static_range(3):
        value = tl.load(given + channel, mask=inside, other=0.0).to(tl.float32)
        value = value * tl.load(colours + 6 + channel)
        if VARIES:
            value = contrast * (value * (1 - grey) + grey * middle)
        value *= scale
        base = result + (image * 3 + channel) * height * width + at
        upper, lower = value * (1 - low_share), value * low_share
        tl.atomic_add(base, (upper * (1 - right_share)).to(tl.int64), mask=inside)
        tl.atomic_add(base + 1, (upper * right_share).to(tl.int64), mask=has_right)
        tl.atomic_add(base + width, (lower * (1 - right_share)).to(tl.int64), mask=has_low)
        corner = (lower * right_share).to(tl.int64)
        tl.atomic_add(base + width + 1, corner, mask=has_right & has_low)


@triton.jit
def _cost(difference, there, SQUARED: tl.constexpr):
    """Penalty of a difference and its derivative; 0 where there is no neighbour."""
    if SQUARED:
        value, slope = difference * difference, 2 * difference
    else:
        value = tl.abs(difference)
        slope = tl.where(difference > 0, 1.0, tl.where(difference < 0, -1.0, 0.0))
    return tl.where(there, value, 0.0), tl.where(there, slope, 0.0)


@triton.jit
def roughness_kernel(
    images, slopes, losses, height, width, tiles_across, colour, share_x, share_y,
    SQUARED: tl.constexpr, COLOUR: tl.constexpr, TALL: tl.constexpr, WIDE: tl.constexpr,
):  # fmt: skip
    """L_hf by tile `(N, tiles)` and its gradient in the images: grid (N, tiles)."""
    image, tile = tl.program_id(0).to(tl.int64), tl.program_id(1)
    lane = tl.arange(0, TALL * WIDE)
    row = (tile // tiles_across) * TALL + lane // WIDE
    column = (tile % tiles_across) * WIDE + lane % WIDE
    inside = (row < height) & (column < width)
    plane = height * width
    at = images + image * 3 * plane + row * width + column
    out = slopes + image * 3 * plane + row * width + column
    has_left, has_right = inside & (column > 0), inside & (column < width - 1)
    has_up, has_down = inside & (row > 0), inside & (row < height - 1)
    total = tl.zeros((TALL * WIDE,), tl.float32)
    middle = tl.zeros((TALL * WIDE,), tl.float32)  # means over the channels
    left, right, up, down = middle, middle, middle, middle
    mean_slope = middle
    if COLOUR:
        for channel in tl.static_range(3):
            here = at + channel * plane
            middle += tl.load(here, mask=inside, other=0.0) / 3
            left += tl.load(here - 1, mask=has_left, other=0.0) / 3
            right += tl.load(here + 1, mask=has_right, other=0.0) / 3
            up += tl.load(here - width, mask=has_up, other=0.0) / 3
            down += tl.load(here + width, mask=has_down, other=0.0) / 3
    for turn in tl.static_range(2):  # first the mean of the colours' slopes, then everything
        if turn == 1 or COLOUR:
            for channel in tl.static_range(3):
                here = at + channel * plane
                value = tl.load(here, mask=inside, other=0.0)
                before = value - tl.load(here - 1, mask=has_left, other=0.0)
                after = tl.load(here + 1, mask=has_right, other=0.0) - value
                above = value - tl.load(here - width, mask=has_up, other=0.0)
                below = tl.load(here + width, mask=has_down, other=0.0) - value
                slope = tl.zeros((TALL * WIDE,), tl.float32)
                if turn == 1:
                    _, of_before = _cost(before, has_left, SQUARED)
                    loss_x, of_after = _cost(after, has_right, SQUARED)
                    _, of_above = _cost(above, has_up, SQUARED)
                    loss_y, of_below = _cost(below, has_down, SQUARED)
                    slope = (of_before - of_after) * share_x + (of_above - of_below) * share_y
                    total += loss_x * share_x + loss_y * share_y
                if COLOUR:
                    _, of_before = _cost(before - (middle - left), has_left, SQUARED)
                    loss_x, of_after = _cost(after - (right - middle), has_right, SQUARED)
                    _, of_above = _cost(above - (middle - up), has_up, SQUARED)
                    loss_y, of_below = _cost(below - (down - middle), has_down, SQUARED)
                    of_colour = (of_before - of_after) * share_x
                    of_colour += (of_above - of_below) * share_y
                    if turn == 0:
                        mean_slope += of_colour / 3
                    else:
                        slope += colour * (of_colour - mean_slope)
                        total += colour * (loss_x * share_x + loss_y * share_y)
                if turn == 1:
                    tl.store(out + channel * plane, slope, mask=inside)
    tl.store(losses + image * tl.num_programs(1) + tile, tl.sum(total))


@triton.jit
def row_sums_kernel(values, sums, columns, BLOCK: tl.constexpr):
    """Sums of the rows of `(N, columns)`, whose order does not depend on N: grid (N,)."""
    row = tl.program_id(0).to(tl.int64)
    total = tl.zeros((BLOCK,), tl.float32)
    for start in range(0, columns, BLOCK):
        place = start + tl.arange(0, BLOCK)
        total += tl.load(values + row * columns + place, mask=place < columns, other=0.0)
    tl.store(sums + row, tl.sum(total))


@triton.jit
def adam_kernel(
    parameters, gradients, slopes, weights, first, second, average, scalars, per_row,
    beta1, beta2, epsilon, SLOPES: tl.constexpr, CLAMP: tl.constexpr, BLOCK: tl.constexpr,
):  # fmt: skip
    """One update of Adam and of the average of iterates, in place: grid (N, tiles).

    The gradient is `gradients + weights[row] * slopes`. `scalars` is the learning rate, both
    bias corrections (1 / (1 - beta^t)) and the share of the newest iterate.
    """
    row = tl.program_id(0).to(tl.int64)
    within = tl.program_id(1) * BLOCK + tl.arange(0, BLOCK)
    inside, place = within < per_row, row * per_row + within
    gradient = tl.load(gradients + place, mask=inside, other=0.0)
    if SLOPES:
        weight = tl.load(weights + row)
        gradient += weight * tl.load(slopes + place, mask=inside, other=0.0)
    m = tl.load(first + place, mask=inside, other=0.0)
    v = tl.load(second + place, mask=inside, other=0.0)
    m = m + (1 - beta1) * (gradient - m)
    v = v * beta2 + (1 - beta2) * gradient * gradient
    deviation = tl.sqrt(v * tl.load(scalars + 2)) + epsilon
    move = tl.load(scalars) * (m * tl.load(scalars + 1)) / deviation
    value = tl.load(parameters + place, mask=inside, other=0.0) - move
    if CLAMP:
        value = tl.minimum(tl.maximum(value, 0.0), 1.0)
    mean = tl.load(average + place, mask=inside, other=0.0)
    newest = tl.load(scalars + 3)
    mean = tl.where(newest >= 1.0, value, mean + newest * (value - mean))
    tl.store(first + place, m, mask=inside)
    tl.store(second + place, v, mask=inside)
    tl.store(parameters + place, value, mask=inside)
    tl.store(average + place, mean, mask=inside)
