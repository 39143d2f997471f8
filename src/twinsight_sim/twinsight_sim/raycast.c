/*
 * What rays from a place in the hall meet first: as distances, and as a picture.
 *
 * The picture is that of the classic ray caster (one horizontal ray a column, as in
 * L. Vandevenne's 'Raycasting' tutorial). It is drawn in C because it is drawn 30 times a second:
 * in numpy it costs more than all else that the robot does. raycast.py holds the same structures
 * and calls this; it sees to it that arrays have the sizes told here.
 */

#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* How fast light fades with depth, 1/m. */
static const double FADING = 0.09;

/* Metres, beyond every place on the floor that a picture shows: what is shifted by it is above
 * zero, where cutting off the fraction rounds down. */
static const float FAR = 4096.0f;

/* A row of world.Faces; ends in metres. */
typedef struct {
  double ax, ay, bx, by, look, low, length, light;
} Face;

/* Where rays start (m), and how they are turned. */
typedef struct {
  double x, y, cosine, sine;
} Eye;

/* A face whose front is seen, its ends relative to the eye. */
typedef struct {
  double ax, ay, bx, by, inverse_area;
  const Face * face;
} Front;

typedef struct {
  const Face * face;  /* NULL where the ray meets nothing */
  double nearness;    /* 1 / distance, in lengths of the ray */
  double along;       /* place on the face, from 0 to 1 */
} Hit;

/* What stays the same from picture to picture; raycast.py says what each part is. */
typedef struct {
  int32_t width, height;
  const double * rays;
  const float * slopes, * floor_depths;
  const uint32_t * floor_tiles, * ceiling;
  int32_t columns, rows;
  const double * columns_per_metre;
  const uint8_t * texels;
  double eye_height, tall_height, low_height;
} View;

/*
 * What so many columns of a picture show; so few that all that it needs stays in the cache.
 *
 * For tall and for low faces: the texels in the light that they get, (STRIP, rows) from the floor
 * up, and how many of them a step of one in slope spans. Between the slopes covered_from and
 * covered_to every column shows a tall face.
 */
enum {STRIP = 16};
const int32_t strip_columns = STRIP;  /* raycast.py reads it */

typedef struct {
  int any_low;
  float covered_from, covered_to;
  float way_x[STRIP], way_y[STRIP], tall[STRIP], low[STRIP];
  uint32_t * tall_texels, * low_texels;
} Strip;

/* Keep the faces whose front is seen from the eye: no other can be the nearest. */
static int32_t find_fronts(const Face * faces, int32_t count, const Eye * eye, Front * fronts)
{
  int32_t kept = 0;
  for (int32_t i = 0; i < count; ++i) {
    const Face * face = &faces[i];
    const double ax = face->ax - eye->x, ay = face->ay - eye->y;
    const double bx = face->bx - eye->x, by = face->by - eye->y;
    const double area = ax * by - ay * bx;
    if (area < 0.0) {
      fronts[kept++] = (Front) {ax, ay, bx, by, 1.0 / area, face};
    }
  }
  return kept;
}

/* Turn a ray into the eye's direction. */
static void turn(const Eye * eye, const double * ray, double * dx, double * dy)
{
  *dx = eye->cosine * ray[0] - eye->sine * ray[1];
  *dy = eye->sine * ray[0] + eye->cosine * ray[1];
}

/*
 * Find the nearest low or tall face on a ray.
 *
 * Solves t d = a + u (b - a) with cross products (the two-dimensional case of R. Goldman,
 * 'Intersection of Two Lines in Three-Space', Graphics Gems, 1990). Of a face whose front is
 * seen, the first end is on the left; the ray meets it where it passes between its ends.
 */
static Hit cast(const Front * fronts, int32_t count, int low, double dx, double dy)
{
  Hit nearest = {NULL, 0.0, 0.0};
  for (int32_t i = 0; i < count; ++i) {
    const Front * front = &fronts[i];
    const double left = dx * front->ay - dy * front->ax;
    const double right = dx * front->by - dy * front->bx;
    if (left >= 0.0 && right <= 0.0 && (front->face->low != 0.0) == low) {
      const double nearness = (right - left) * front->inverse_area;
      if (nearness > nearest.nearness) {
        nearest = (Hit) {front->face, nearness, left / (left - right)};
      }
    }
  }
  return nearest;
}

/* Measure the distance along each ray, (count, 2) in the eye's frame, in lengths of the ray. */
void measure(
  const Face * faces, int32_t face_count, const Eye * eye, const double * rays, int32_t count,
  double * distances)
{
  Front fronts[face_count + 1];
  const int32_t kept = find_fronts(faces, face_count, eye, fronts);
  for (int32_t i = 0; i < count; ++i) {
    double dx, dy;
    turn(eye, rays + 2 * i, &dx, &dy);
    const double tall = cast(fronts, kept, 0, dx, dy).nearness;
    const double low = cast(fronts, kept, 1, dx, dy).nearness;
    distances[i] = 1.0 / (tall > low ? tall : low);
  }
}

/*
 * Light the texels of a face that a column shows, from the floor up.
 *
 * Returns how many of them a step of one in slope spans; nothing is in their range where the
 * column shows no such face.
 */
static float light_texels(const View * view, const Hit * hit, double height, uint32_t * texels)
{
  const Face * face = hit->face;
  if (face == NULL) {
    return NAN;
  }
  const int32_t look = (int32_t)face->look, size = 4 * view->rows;
  const double place = hit->along * face->length * view->columns_per_metre[look];
  const int32_t column = look * view->columns + (int32_t)place % view->columns;
  const uint8_t * painted = view->texels + (size_t)column * size;
  const int32_t light = (int32_t)(256.0 * face->light * hit->nearness / (hit->nearness + FADING));
  uint8_t * lit = (uint8_t *)texels;
  for (int32_t i = 0; i < size; ++i) {
    lit[i] = (uint8_t)(painted[i] * light >> 8);
  }
  return (float)(view->rows / height / hit->nearness);
}

/* Find out what a strip shows, from column ``first`` of the picture on. */
static void look_at(
  const View * view, const Front * fronts, int32_t count, const Eye * eye, int32_t first,
  Strip * strip)
{
  double far = 0.0;
  strip->any_low = 0;
  for (int32_t i = 0; i < STRIP; ++i) {
    double dx, dy;
    turn(eye, view->rays + 2 * (first + i), &dx, &dy);
    const Hit tall = cast(fronts, count, 0, dx, dy);
    Hit low = cast(fronts, count, 1, dx, dy);
    if (low.nearness <= tall.nearness) {
      low.face = NULL;
    }
    strip->any_low |= low.face != NULL;
    far = fmax(far, 1.0 / tall.nearness);
    strip->way_x[i] = (float)dx;
    strip->way_y[i] = (float)dy;
    const int32_t texels = i * view->rows;
    strip->tall[i] = light_texels(view, &tall, view->tall_height, strip->tall_texels + texels);
    strip->low[i] = light_texels(view, &low, view->low_height, strip->low_texels + texels);
  }
  const double sure = 0.999 / far;  /* on the safe side of what draw_faces makes of the slope */
  strip->covered_from = (float)(-view->eye_height * sure);
  strip->covered_to = (float)((view->tall_height - view->eye_height) * sure);
}

/* Draw one row of ceiling, or of floor: square tiles of one metre, so that driving shows. */
static void draw_background(
  const View * view, const Eye * eye, const Strip * strip, int32_t at, uint32_t * row)
{
  const int32_t below = at - view->height / 2;
  if (below < 0) {
    for (int32_t i = 0; i < STRIP; ++i) {
      row[i] = view->ceiling[at];
    }
    return;
  }
  const float depth = view->floor_depths[below];
  const uint32_t * tiles = view->floor_tiles + 2 * below;
  const float x = (float)eye->x + FAR, y = (float)eye->y + FAR;
  for (int32_t i = 0; i < STRIP; ++i) {
    const int32_t across = (int32_t)(x + depth * strip->way_x[i]);
    const int32_t along = (int32_t)(y + depth * strip->way_y[i]);
    row[i] = (across ^ along) & 1 ? tiles[1] : tiles[0];
  }
}

/* Draw one row of faces of one height over what is there; ``at_eye`` is the texel at eye height. */
static void draw_faces(
  float slope, float at_eye, int32_t rows, const float * scales, const uint32_t * texels,
  uint32_t * row)
{
  for (int32_t i = 0; i < STRIP; ++i) {
    const float texel = at_eye + slope * scales[i];
    if (texel >= 0.0f && texel < (float)rows) {
      row[i] = texels[i * rows + (int32_t)texel];
    }
  }
}

/* Draw the view from the eye into a picture, (height, width). */
void draw(
  const View * view, const Face * faces, int32_t face_count, const Eye * eye, uint32_t * picture)
{
  Front fronts[face_count + 1];
  const int32_t kept = find_fronts(faces, face_count, eye, fronts);
  const int32_t rows = view->rows;
  const float tall_at_eye = (float)(view->eye_height * rows / view->tall_height);
  const float low_at_eye = (float)(view->eye_height * rows / view->low_height);
  uint32_t tall_texels[STRIP * rows], low_texels[STRIP * rows];
  Strip strip = {.tall_texels = tall_texels, .low_texels = low_texels};
  for (int32_t first = 0; first < view->width; first += STRIP) {
    look_at(view, fronts, kept, eye, first, &strip);
    for (int32_t at = 0; at < view->height; ++at) {
      const float slope = view->slopes[at];
      uint32_t * row = picture + (size_t)at * view->width + first;
      if (!(slope > strip.covered_from && slope < strip.covered_to)) {
        draw_background(view, eye, &strip, at, row);
      }
      draw_faces(slope, tall_at_eye, rows, strip.tall, strip.tall_texels, row);
      if (strip.any_low) {
        draw_faces(slope, low_at_eye, rows, strip.low, strip.low_texels, row);
      }
    }
  }
}
